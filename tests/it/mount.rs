//! Mounting blobs from one repository in another (end-11), and the session that follows when it
//! cannot be done.

use crate::content::{Algorithm, blob, sha256};
use crate::harness::Server;
use crate::repository::{Push, Repository};

const TARGET: &str = "library/target";

#[test]
fn a_blob_is_mounted_from_another_repository() {
    let server = Server::start();
    let (source, target) = (Repository::new(&server, "a/source"), Repository::new(&server, TARGET));
    for algorithm in Algorithm::ALL {
        let bytes = blob("mounted", 1000);
        let digest = algorithm.digest(&bytes);
        source.push_as(Push::PostPut, &bytes, &digest).expect("push", 201);
        target.blob_head(&digest).expect(404);
        let mount = server.post(format!("{}?mount={digest}&from=a/source", target.uploads_path()));
        let mounted = mount.expect(201);
        assert_eq!(mounted.location(), format!("/v2/{TARGET}/blobs/{digest}"));
        assert_eq!(mounted.the("Docker-Content-Digest"), digest);
        assert_eq!(target.blob(&digest).expect(200).body, bytes);
        // Escaped, as Go clients write it.
        let escaped = digest.replace(':', "%3A");
        let path = format!("{}?from=a%2Fsource&mount={escaped}", target.uploads_path());
        server.post(path).expect(201);
    }
}

#[test]
fn a_blob_is_mounted_from_wherever_it_is() {
    let server = Server::start();
    let target = Repository::new(&server, TARGET);
    let digest = Repository::new(&server, "some/where").push(b"anywhere");
    let mounted = server.post(format!("{}?mount={digest}", target.uploads_path())).expect(201);
    assert_eq!(mounted.location(), format!("/v2/{TARGET}/blobs/{digest}"));
    assert_eq!(target.blob(&digest).expect(200).body, b"anywhere");
}

#[test]
fn a_blob_that_is_not_there_opens_a_session() {
    let server = Server::start();
    let target = Repository::new(&server, TARGET);
    let other = Repository::new(&server, "other/one").push(b"in another repository");
    let path = target.uploads_path();
    for from in ["&from=other/one", "&from=no/such", "&from=UPPER/..bad", ""] {
        let content = format!("absent{from}");
        let digest = sha256(content.as_bytes());
        let session = server.post(format!("{path}?mount={digest}{from}")).expect(202);
        target.close(&session.location(), &digest).body(content).expect(201);
        target.blob(&digest).expect(200);
    }
    // Another source than the one named is not looked for.
    for from in ["no/such", "library/empty"] {
        server.post(format!("{path}?mount={other}&from={from}")).expect(202);
    }
}

#[test]
fn a_mount_of_no_digest_is_refused() {
    let server = Server::start();
    let path = Repository::new(&server, TARGET).uploads_path();
    for digest in ["latest", "sha256:short", "sha512:short"] {
        server.post(format!("{path}?mount={digest}&from=a/source")).refused(400, "DIGEST_INVALID");
    }
}

#[test]
fn a_mounted_blob_outlives_its_source() {
    let server = Server::start();
    let (source, target) = (Repository::new(&server, "a/source"), Repository::new(&server, TARGET));
    let digest = source.push(b"outlives");
    server.post(format!("{}?mount={digest}&from=a/source", target.uploads_path())).expect(201);
    server.delete(source.blob_path(&digest)).expect(202);
    source.blob_head(&digest).expect(404);
    assert_eq!(target.blob(&digest).expect(200).body, b"outlives");
    let server = server.restart();
    assert_eq!(Repository::new(&server, TARGET).blob(&digest).expect(200).body, b"outlives");
}
