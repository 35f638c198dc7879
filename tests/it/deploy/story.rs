//! What happens to a Deployment in the cluster of these tests: one story each, told the same way
//! every time. It goes on when it is looked at, and never by itself.

use serde_json::{Value, json};

use super::cluster::World;

/// How it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// The pod starts; one of an earlier deployment crashes until then.
    Starts,
    /// The node does not get the image, as the registry does not know it.
    NotFound,
    /// The program ends, again and again.
    Crashes,
    /// No node takes the pod, for all time.
    NoRoom,
}

/// The label by which pods know their set.
const HASH: &str = "pod-template-hash";
/// What a program says that ends.
pub(super) const LAST_WORDS: &str = "panic: DATABASE_URL is not set";

impl Story {
    /// Makes of a Deployment what its controllers would: a set and a pod of it, and what an earlier
    /// one left.
    pub(super) fn begin(world: &mut World, path: &str) {
        let deployment = world.objects[path].clone();
        for (hash, revision) in [("old", "1"), ("new", "2")] {
            let set = set(&deployment, hash, revision);
            let place = path.replace("deployments", "replicasets");
            world.objects.insert(format!("{place}-{hash}"), set);
            let pod = pod(&deployment, hash);
            let place = path.replace("/apis/apps/v1", "/api/v1").replace("deployments", "pods");
            world.objects.insert(format!("{place}-{hash}-x"), pod);
        }
        Self::look(world);
    }

    /// Goes on as the pods are looked at.
    pub(super) fn look(world: &mut World) {
        let (story, looks) = (world.story, world.looks);
        for (path, pod) in &mut world.objects {
            if pod["kind"] == "Pod" {
                let is_old = path.ends_with("-old-x");
                let image = pod["spec"]["containers"][0]["image"].clone();
                pod["status"] = match (is_old, story) {
                    (true, _) => status(&crashing(&image, 9)),
                    (false, Self::Starts) => status(&json!({
                        "ready": false, "state": {"waiting": {"reason": "ContainerCreating"}}
                    })),
                    (false, Self::NotFound) => {
                        let first = looks < 2;
                        let reason = if first { "ErrImagePull" } else { "ImagePullBackOff" };
                        let message = format!("Back-off pulling image {image}");
                        status(&json!({"image": image, "restartCount": 0, "state": {
                            "waiting": {"reason": reason, "message": message}
                        }}))
                    }
                    (false, Self::Crashes) => status(&crashing(&image, looks)),
                    (false, Self::NoRoom) => json!({"conditions": [{
                        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient memory."
                    }]}),
                };
            }
        }
        if story == Self::NotFound {
            Self::tell_of_pull(world);
        }
    }

    fn tell_of_pull(world: &mut World) {
        let pods = world.objects.values().filter(|it| it["kind"] == "Pod");
        let events: Vec<_> = pods
            .flat_map(|pod| {
                let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
                let failed = format!(
                    "Failed to pull image \"{image}\": rpc error: code = NotFound desc = failed to \
                     pull and unpack image \"{image}\": failed to resolve reference \"{image}\": \
                     {image}: not found"
                );
                let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                [failed, "Error: ErrImagePull".to_owned()].into_iter().enumerate().map(
                    move |(number, message)| {
                        (format!("{name}.{number}"), json!({
                            "kind": "Event", "apiVersion": "v1",
                            "metadata": {"name": format!("{name}.{number}"), "namespace": "default"},
                            "involvedObject": {"kind": "Pod", "name": name, "namespace": "default"},
                            "reason": "Failed", "message": message, "type": "Warning",
                            "lastTimestamp": format!("2026-01-01T00:00:0{number}Z"),
                        }))
                    },
                )
            })
            .collect();
        for (name, event) in events {
            world.objects.insert(format!("/api/v1/namespaces/default/events/{name}"), event);
        }
    }

    /// Goes on as the rollout is watched.
    pub(super) fn watch(world: &mut World) {
        // The pod of the first story is there at the second watch, so that both are needed.
        let available = u64::from(world.story == Self::Starts && world.watches > 1);
        for deployment in world.objects.values_mut().filter(|it| it["kind"] == "Deployment") {
            deployment["status"] = json!({
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": 1, "updatedReplicas": 1,
                "availableReplicas": available, "unavailableReplicas": 1 - available,
            });
        }
    }

    /// What a program said.
    pub(super) fn log(self, pod: &str, previous: bool) -> String {
        assert!(previous && self == Self::Crashes, "the log of {pod}, previous: {previous}");
        format!("starting\n{LAST_WORDS}\n")
    }
}

fn crashing(image: &Value, restarts: usize) -> Value {
    json!({
        "image": image, "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
    })
}

fn status(container: &Value) -> Value {
    let mut container = container.clone();
    container["name"] = "moon".into();
    json!({"phase": "Pending", "containerStatuses": [container]})
}

fn set(deployment: &Value, hash: &str, revision: &str) -> Value {
    let name = deployment["metadata"]["name"].as_str().unwrap();
    json!({
        "kind": "ReplicaSet", "apiVersion": "apps/v1",
        "metadata": {
            "name": format!("{name}-{hash}"), "namespace": "default", "labels": labels(deployment, hash),
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"kind": "Deployment", "name": name}],
        },
    })
}

fn pod(deployment: &Value, hash: &str) -> Value {
    let name = deployment["metadata"]["name"].as_str().unwrap();
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": format!("{name}-{hash}-x"), "namespace": "default", "labels": labels(deployment, hash),
        },
        "spec": deployment["spec"]["template"]["spec"],
    })
}

fn labels(deployment: &Value, hash: &str) -> Value {
    let mut labels = deployment["spec"]["template"]["metadata"]["labels"].clone();
    labels[HASH] = hash.into();
    labels
}
