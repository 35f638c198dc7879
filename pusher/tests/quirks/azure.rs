//! Azure's container registry: `docker login` and `az acr login` leave a token in place of a password,
//! to be exchanged by a `POST` to the registry's own server of tokens.

use http::Method;

use crate::authority::{Manners, Proof};
use crate::behaviour::{Access, Behaviour};
use crate::image::MemoryImage;
use crate::ledger::Host;
use crate::world::World;

#[tokio::test]
async fn the_token_of_a_login_is_exchanged() {
    let azure = Behaviour { access: Access::Tokens, ..Behaviour::default() };
    let manners = Manners { proof: Proof::IdentityToken, ..Manners::default() };
    let world = World::with_manners(azure, manners).await;
    let image = MemoryImage::new(&[100_000]);
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
    assert!(world.ledger.count(Host::Realm, &Method::POST) >= 1);
}
