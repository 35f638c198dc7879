//! The whole registry from outside: each test starts the real program on a store of its own and
//! speaks HTTP to it, so that what is proved here holds for clients. One file per subject;
//! `harness`, `wire`, `repository`, `content`, `data_set`, `engine` and `spoken` are what they share.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends here, and says what it left out"
)]

mod content;
mod data_set;
mod engine;
mod harness;
mod repository;
mod spoken;
mod wire;

mod bad_input;
mod bench;
mod bench_measures;
mod catalog;
mod chunked_upload;
mod clients;
mod cold;
mod command_line;
mod commands;
mod crash;
mod delete;
mod deploy;
mod document;
mod durability;
mod errors;
mod every_client;
mod ingest;
mod limits;
mod login;
mod manifests;
mod matrix;
mod memory;
mod missing_programs;
mod mount;
mod oci_client;
mod operations;
mod origin;
mod project;
mod pull;
mod push;
mod push_command;
mod referrers;
mod settings;
mod sha512;
mod sync_order;
mod tags;
mod version;
