//! What keeps a pod from running, read out of what Kubernetes says of it. Only reads; what the events
//! and the logs add is asked for elsewhere.

use serde_json::Value;

/// Something that keeps a pod from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The pod.
    pub pod: String,
    /// Which container of it; none where it is none's.
    pub container: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// Kubernetes' word for it: `ImagePullBackOff`.
    pub reason: String,
    /// Kubernetes' message; may be empty.
    pub message: String,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Its image is not on the node, and cannot be had.
    Pull {
        /// The image.
        image: String,
    },
    /// It ends again and again.
    Crash {
        /// How often it was started again.
        restarts: u64,
        /// The last exit code.
        code: Option<i64>,
        /// Kubernetes' word for the last end: `Error`, `OOMKilled`.
        end: String,
    },
    /// It cannot be made as it is described.
    Config,
    /// There is no node for it.
    Schedule,
    /// It is not made yet: a volume or a network is awaited.
    Start,
    /// It runs, and is not ready.
    Readiness,
}

/// The words of the kubelet for an image that it does not get.
const PULLS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
];
/// How often a container was started again before its crashes are no accident.
const RESTARTS_MIN: u64 = 2;

impl Trouble {
    /// The trouble of each pod in a list that has some, but for pods that are going away.
    pub fn of(pods: &[&Value]) -> Vec<Self> {
        let stays = |pod: &&&Value| pod["metadata"]["deletionTimestamp"].is_null();
        pods.iter().filter(stays).filter_map(|pod| of_pod(pod)).collect()
    }

    /// Whether waiting longer would not mend it, if it is still there at a second look.
    pub fn is_lasting(&self) -> bool {
        match &self.kind {
            Kind::Pull { .. } => self.reason != "ErrImagePull",
            Kind::Crash { restarts, .. } => {
                *restarts >= RESTARTS_MIN && self.reason == "CrashLoopBackOff"
            }
            Kind::Config => true,
            Kind::Schedule | Kind::Start | Kind::Readiness => false,
        }
    }

    /// Whether both are the same trouble, at two looks.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.pod.clone(), it.container.clone(), it.reason.clone());
        key(self) == key(other)
    }
}

fn of_pod(pod: &Value) -> Option<Trouble> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = &pod["status"];
    let name = text(&pod["metadata"]["name"]);
    let condition = |kind: &str| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions.filter(|it| it["status"] == "False").find(|it| it["type"] == kind)
    };
    if let Some(unscheduled) = condition("PodScheduled") {
        let (reason, message) = (text(&unscheduled["reason"]), text(&unscheduled["message"]));
        return Some(Trouble { pod: name, container: None, kind: Kind::Schedule, reason, message });
    }
    let containers = ["initContainerStatuses", "containerStatuses"];
    let containers = containers.iter().filter_map(|list| status[list].as_array()).flatten();
    let mut troubles: Vec<_> = containers.filter_map(|it| of_container(&name, it)).collect();
    // What is awaited comes last: another container's trouble may be why.
    troubles.sort_by_key(|it| matches!(it.kind, Kind::Start | Kind::Readiness));
    let first = troubles.into_iter().next();
    first.or_else(|| {
        let unready = condition("Ready").filter(|it| it["reason"] != "PodCompleted")?;
        let (reason, message) = (text(&unready["reason"]), text(&unready["message"]));
        Some(Trouble { pod: name, container: None, kind: Kind::Readiness, reason, message })
    })
}

fn of_container(pod: &str, status: &Value) -> Option<Trouble> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let trouble = |kind, reason: &str, message: &Value| Trouble {
        pod: pod.to_owned(),
        container: status["name"].as_str().map(str::to_owned),
        kind,
        reason: reason.to_owned(),
        message: text(message),
    };
    let restarts = status["restartCount"].as_u64().unwrap_or_default();
    let crash = |ended: &Value| Kind::Crash {
        restarts,
        code: ended["exitCode"].as_i64(),
        end: text(&ended["reason"]),
    };
    let waiting = &status["state"]["waiting"];
    if let Some(reason) = waiting["reason"].as_str() {
        let message = &waiting["message"];
        return Some(match reason {
            _ if PULLS.contains(&reason) => {
                trouble(Kind::Pull { image: text(&status["image"]) }, reason, message)
            }
            "CrashLoopBackOff" => {
                trouble(crash(&status["lastState"]["terminated"]), reason, message)
            }
            "PodInitializing" | "ContainerCreating" => trouble(Kind::Start, reason, message),
            _ => trouble(Kind::Config, reason, message),
        });
    }
    let ended = &status["state"]["terminated"];
    if ended.is_object() && ended["exitCode"] != 0 {
        return Some(trouble(crash(ended), &text(&ended["reason"]), &ended["message"]));
    }
    let unready = status["ready"] == false && status["state"]["running"].is_object();
    unready.then(|| trouble(Kind::Readiness, "NotReady", &Value::Null))
}

/// The pods in a list of pods, replica sets and revisions that belong to the newest revision of a
/// workload. Those of an older one are going away, whatever is wrong with them.
pub fn newest<'a>(items: &'a [Value], kind: &str, name: &str) -> Vec<&'a Value> {
    let is_owned = |item: &&Value| {
        let owners = item["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|owner| owner["kind"] == kind && owner["name"] == name)
    };
    let revision = |item: &&Value| match item["kind"].as_str() {
        Some("ReplicaSet") => {
            let noted = &item["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
            noted.as_str().and_then(|text| text.parse().ok())
        }
        Some("ControllerRevision") => item["revision"].as_u64(),
        _ => None,
    };
    let revisions = items.iter().filter(is_owned).filter(|item| revision(item).is_some());
    let newest = revisions.max_by_key(|item| revision(item));
    let pods = items.iter().filter(|item| item["kind"] == "Pod");
    let labels = ["pod-template-hash", "controller-revision-hash"];
    pods.filter(|pod| {
        let Some(newest) = newest else { return true };
        labels.iter().any(|label| {
            let own = &pod["metadata"]["labels"][label];
            let of_set = &newest["metadata"]["labels"][label];
            // A stateful set's pods bear the whole name of their revision.
            own.is_string() && (own == of_set || *own == newest["metadata"]["name"])
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(container: Value) -> Value {
        json!({"kind": "Pod", "metadata": {"name": "p"}, "status": {"containerStatuses": [container]}})
    }

    fn trouble(container: Value) -> Option<Trouble> {
        Trouble::of(&[&pod(container)]).into_iter().next()
    }

    #[test]
    fn each_kind_of_trouble_is_known() {
        let waiting = |reason: &str| {
            json!({"name": "c", "image": "i:1", "restartCount": 3,
                   "state": {"waiting": {"reason": reason, "message": "m"}},
                   "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}})
        };
        let pull = Kind::Pull { image: "i:1".into() };
        let crash = Kind::Crash { restarts: 3, code: Some(2), end: "Error".into() };
        for (reason, kind, lasting) in [
            ("ErrImagePull", pull.clone(), false),
            ("ImagePullBackOff", pull.clone(), true),
            ("InvalidImageName", pull.clone(), true),
            ("CrashLoopBackOff", crash, true),
            ("CreateContainerConfigError", Kind::Config, true),
            ("RunContainerError", Kind::Config, true),
            ("ContainerCreating", Kind::Start, false),
        ] {
            let found = trouble(waiting(reason)).unwrap();
            assert_eq!((&found.kind, found.is_lasting()), (&kind, lasting), "{reason}");
            assert_eq!((&*found.reason, &*found.message), (reason, "m"));
            assert_eq!(found.container.as_deref(), Some("c"));
        }
    }

    #[test]
    fn what_runs_or_has_done_its_work_is_no_trouble() {
        let running = json!({"state": {"running": {}}, "ready": true});
        assert_eq!(trouble(running), None);
        let done = json!({"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        assert_eq!(trouble(done), None);
        let unready = trouble(json!({"state": {"running": {}}, "ready": false})).unwrap();
        assert_eq!(unready.kind, Kind::Readiness);
        let mut going = pod(json!({"state": {"waiting": {"reason": "ImagePullBackOff"}}}));
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(Trouble::of(&[&going]), []);
    }

    #[test]
    fn a_crash_between_two_starts_is_one() {
        let ended = json!({"name": "c", "restartCount": 1,
                           "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}});
        let found = trouble(ended).unwrap();
        let crash = Kind::Crash { restarts: 1, code: Some(137), end: "OOMKilled".into() };
        assert_eq!((found.kind.clone(), found.is_lasting()), (crash, false));
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let message = "0/1 nodes are available: 1 Insufficient cpu.";
        let pod = json!({"metadata": {"name": "p"}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        ]}});
        let [found] = &Trouble::of(&[&pod])[..] else { panic!("one") };
        assert_eq!((&found.kind, &*found.message), (&Kind::Schedule, message));
    }

    #[test]
    fn only_pods_of_the_newest_revision_count() {
        let set = |name: &str, revision: &str| {
            json!({"kind": "ReplicaSet", "metadata": {
                "name": name, "labels": {"pod-template-hash": name},
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"kind": "Deployment", "name": "moon"}]}})
        };
        let pod = |name: &str, label: &str, hash: &str| json!({"kind": "Pod", "metadata": {"name": name, "labels": {label: hash}}});
        let names = |items: &[Value], kind: &str| {
            let pods = newest(items, kind, "moon");
            pods.iter().map(|it| it["metadata"]["name"].to_string()).collect::<String>()
        };
        let hash = "pod-template-hash";
        let items =
            [set("old", "9"), set("new", "10"), pod("a", hash, "old"), pod("b", hash, "new")];
        assert_eq!(names(&items, "Deployment"), "\"b\"");
        assert_eq!(names(&items[2..], "Deployment"), "\"a\"\"b\"");
        let revision = json!({"kind": "ControllerRevision", "revision": 2, "metadata": {
            "name": "moon-5f", "ownerReferences": [{"kind": "StatefulSet", "name": "moon"}]}});
        let label = "controller-revision-hash";
        let items = [revision, pod("a", label, "moon-1a"), pod("b", label, "moon-5f")];
        assert_eq!(names(&items, "StatefulSet"), "\"b\"");
    }
}
