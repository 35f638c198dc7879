//! A small Kubernetes API: it keeps what kubectl applies, and plays what a cluster would make of it.
//! There is no cluster behind it, no pod runs, and no image is pulled: what it proves is what kubectl
//! and `wharf deploy` do, not what Kubernetes does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{self, Answer, Request};
use super::story::Story;

/// A cluster that only seems to be one.
pub(super) struct Cluster {
    world: Arc<Mutex<World>>,
    address: std::net::SocketAddr,
}

/// What it holds.
pub(super) struct World {
    pub(super) story: Story,
    /// Objects by the path at which they are.
    pub(super) objects: BTreeMap<String, Value>,
    /// How often its rollout was watched, and its pods were looked at.
    pub(super) watches: usize,
    pub(super) looks: usize,
    version: u64,
}

/// The resources there are: group's path, plural, kind.
const RESOURCES: [(&str, &str, &str); 10] = [
    ("/api/v1", "pods", "Pod"),
    ("/api/v1", "events", "Event"),
    ("/api/v1", "services", "Service"),
    ("/api/v1", "configmaps", "ConfigMap"),
    ("/api/v1", "namespaces", "Namespace"),
    ("/apis/apps/v1", "deployments", "Deployment"),
    ("/apis/apps/v1", "statefulsets", "StatefulSet"),
    ("/apis/apps/v1", "daemonsets", "DaemonSet"),
    ("/apis/apps/v1", "replicasets", "ReplicaSet"),
    ("/apis/apps/v1", "controllerrevisions", "ControllerRevision"),
];

impl Cluster {
    /// A cluster in which this will happen to what is applied.
    pub(super) fn start(story: Story) -> Self {
        let (objects, watches, looks) = (BTreeMap::new(), 0, 0);
        let world = Arc::new(Mutex::new(World { story, objects, watches, looks, version: 0 }));
        let shared = Arc::clone(&world);
        let address = http::serve(move |request| shared.lock().unwrap().answer(request));
        Self { world, address }
    }

    /// A file by which kubectl finds it, as the cluster of this name, in a folder. What is current in
    /// it is another cluster, which is nowhere.
    pub(super) fn kubeconfig(&self, cluster: &str, folder: &Path) -> PathBuf {
        let entry = |name: &str, server: String| {
            (
                json!({"name": name, "cluster": {"server": server}}),
                json!({"name": name, "context": {"cluster": name, "user": "none"}}),
            )
        };
        let (cluster, context) =
            entry(&format!("kind-{cluster}"), format!("http://{}", self.address));
        let (elsewhere, current) = entry("elsewhere", "http://127.0.0.1:1".to_owned());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "elsewhere",
            "clusters": [cluster, elsewhere], "contexts": [context, current],
            "users": [{"name": "none", "user": {}}],
        });
        let path = folder.join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// An object that was applied.
    #[track_caller]
    pub(super) fn object(&self, path: &str) -> Value {
        let world = self.world.lock().unwrap();
        let known: Vec<_> = world.objects.keys().cloned().collect();
        world.objects.get(path).unwrap_or_else(|| panic!("no {path} among {known:?}")).clone()
    }

    /// Whether nothing was applied.
    pub(super) fn is_empty(&self) -> bool {
        self.world.lock().unwrap().objects.is_empty()
    }
}

impl World {
    fn answer(&mut self, request: &Request) -> Answer {
        if let Some(discovered) = discovery(&request.path) {
            return discovered;
        }
        let path = request.path.as_str();
        if let Some(pod) = path.strip_suffix("/log") {
            let previous = request.query("previous") == Some("true");
            let pod = pod.rsplit('/').next().unwrap_or_default();
            return Answer::Text(self.story.log(pod, previous));
        }
        let Some((collection, kind)) = collection(path) else { return missing(path) };
        match (request.method.as_str(), collection == path) {
            ("GET", true) if request.query("watch").is_some() => self.watch(request),
            ("GET", true) => self.list(request, kind),
            ("GET", false) => match self.objects.get(path) {
                Some(object) => Answer::Json(200, object.clone()),
                None => missing(path),
            },
            ("POST", true) => self.create(path, &request.body),
            ("PATCH", false) => self.patch(path, &request.body),
            (method, _) => panic!("kubectl asks for {method} {path}"),
        }
    }

    fn list(&mut self, request: &Request, kind: &str) -> Answer {
        if kind == "Pod" {
            self.looks += 1;
            Story::look(self);
        }
        let items: Vec<_> = self.found(request).into_iter().map(|(_, object)| object).collect();
        let version = json!({"resourceVersion": self.version.to_string()});
        let (api, list) = (group(&request.path), format!("{kind}List"));
        Answer::Json(
            200,
            json!({"kind": list, "apiVersion": api, "metadata": version, "items": items}),
        )
    }

    fn watch(&mut self, request: &Request) -> Answer {
        self.watches += 1;
        Story::watch(self);
        let found = self.found(request).into_iter();
        Answer::Watch(found.map(|(_, it)| json!({"type": "MODIFIED", "object": it})).collect())
    }

    /// The objects of a collection that selectors leave.
    fn found(&self, request: &Request) -> Vec<(String, Value)> {
        let below = format!("{}/", request.path);
        let labels = request.query("labelSelector").unwrap_or_default();
        let fields = request.query("fieldSelector").unwrap_or_default();
        let is_meant = |object: &Value| {
            let label = |(name, value): (&str, &str)| object["metadata"]["labels"][name] == value;
            let field = |(name, value): (&str, &str)| {
                object
                    .pointer(&format!("/{}", name.replace('.', "/")))
                    .is_some_and(|it| it == value)
            };
            labels.split(',').filter_map(|it| it.split_once('=')).all(label)
                && fields.split(',').filter_map(|it| it.split_once('=')).all(field)
        };
        let here = self.objects.iter().filter(|(path, _)| path.starts_with(&below));
        let meant = here.filter(|(_, object)| is_meant(object));
        meant.map(|(path, object)| (path.clone(), object.clone())).collect()
    }

    fn create(&mut self, path: &str, body: &[u8]) -> Answer {
        let object: Value = serde_json::from_slice(body).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let object = self.put(&format!("{path}/{name}"), object);
        Answer::Json(201, object)
    }

    fn patch(&mut self, path: &str, body: &[u8]) -> Answer {
        let Some(mut object) = self.objects.get(path).cloned() else { return missing(path) };
        merge(&mut object, &serde_json::from_slice(body).unwrap());
        Answer::Json(200, self.put(path, object))
    }

    /// Keeps an object that was applied, and what a cluster makes of it.
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let metadata = &mut object["metadata"];
        let (collection, _) = path.rsplit_once('/').unwrap();
        if let Some((_, rest)) = collection.split_once("/namespaces/") {
            metadata["namespace"] = rest.split('/').next().into();
        }
        metadata["uid"] = format!("uid-of-{path}").into();
        metadata["resourceVersion"] = self.version.to_string().into();
        metadata["generation"] = (metadata["generation"].as_u64().unwrap_or(0) + 1).into();
        self.objects.insert(path.to_owned(), object.clone());
        if object["kind"] == "Deployment" {
            Story::begin(self, path);
        }
        object
    }
}

/// A strategic merge, as far as kubectl needs it here: objects by key, lists by `name`.
fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new.iter().filter(|(key, _)| !key.starts_with('$')) {
                match value {
                    Value::Null => _ = old.remove(key),
                    value => merge(old.entry(key).or_insert(Value::Null), value),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if new.iter().all(|it| it["name"].is_string()) => {
            for value in new {
                match old.iter_mut().find(|it| it["name"] == value["name"]) {
                    Some(known) => merge(known, value),
                    None => old.push(value.clone()),
                }
            }
        }
        (old, new) => *old = new.clone(),
    }
}

/// The version of the group that a path begins with.
fn group(path: &str) -> &'static str {
    if path.starts_with("/apis/apps/v1") { "apps/v1" } else { "v1" }
}

/// The collection that a path leads to or into, and the kind of what is in it.
fn collection(path: &str) -> Option<(&str, &'static str)> {
    RESOURCES.iter().find_map(|(group, plural, kind)| {
        let rest = path.strip_prefix(group)?;
        // A namespace is a resource, and what others lie in.
        let words: Vec<_> = rest.split('/').skip(1).collect();
        let at = if words.len() > 2 && words[0] == "namespaces" { 2 } else { 0 };
        if words.get(at) != Some(plural) {
            return None;
        }
        let end: usize = words[..=at].iter().map(|word| word.len() + 1).sum();
        Some((&path[..group.len() + end], *kind))
    })
}

fn missing(path: &str) -> Answer {
    let name = path.rsplit('/').next();
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": format!("{path} not found"), "details": {"name": name},
    });
    Answer::Json(404, status)
}

/// What kubectl asks before it begins.
fn discovery(path: &str) -> Option<Answer> {
    let apps = json!({"groupVersion": "apps/v1", "version": "v1"});
    let value = match path {
        "/version" => json!({"major": "1", "minor": "30", "gitVersion": "v1.30.0"}),
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
            {"name": "apps", "versions": [&apps], "preferredVersion": &apps}
        ]}),
        "/api/v1" | "/apis/apps/v1" => {
            let own = RESOURCES.iter().filter(|(group, ..)| *group == path);
            let resources: Vec<_> = own
                .map(|(_, plural, kind)| {
                    json!({
                        "name": plural, "singularName": kind.to_lowercase(), "kind": kind,
                        "namespaced": *kind != "Namespace",
                        "verbs": ["create", "get", "list", "patch", "watch"],
                    })
                })
                .collect();
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group(path),
                   "resources": resources})
        }
        // A schema that knows nothing: then nothing is checked against it.
        "/openapi/v2" => {
            let kind = "application/octet-stream";
            return Some(Answer::Bytes(kind, Vec::new()));
        }
        "/openapi/v3" => return Some(missing(path)),
        _ => return None,
    };
    Some(Answer::Json(200, value))
}
