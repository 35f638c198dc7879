//! Who the client believes, and to whom it says who it is: TLS, challenges, tokens, redirects, and
//! files of credentials. Registries and servers of tokens are a few lines in each test; what they
//! were asked, and with which credentials, is kept.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod authority;
mod server;

mod basic;
mod elsewhere;
mod files;
mod insecure;
mod tls;
mod token;
