//! Kubernetes manifests, read as far as a project needs to know them: which objects stand in a file,
//! and which images their pods are made of. A file that is something else has none.

use serde_json::Value;

use super::yaml;

/// A Kubernetes object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(Value);

/// The lists in which a pod has its containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The objects in a text of YAML or JSON, those of a `List` one by one. None if it cannot be read, as
/// a template cannot, or if it holds something else.
pub fn objects(text: &str) -> Vec<Object> {
    read(text).unwrap_or_default().0
}

/// The same of what must be YAML, and what there is to say of the first document that is no object among
/// those that are: kubectl would refuse it when it has applied the others.
///
/// # Errors
/// It is no YAML; what is wrong with it.
pub fn read(text: &str) -> Result<(Vec<Object>, Option<String>), String> {
    let (mut objects, mut strays) = (Vec::new(), Vec::new());
    for (at, document) in yaml::documents(text)?.into_iter().enumerate() {
        for object in unlisted(document).into_iter().filter(|it| !it.is_null()).map(Object) {
            strays.extend(object.lack().map(|lack| format!("document {} {lack}", at + 1)));
            objects.push(object);
        }
    }
    objects.retain(Object::is_one);
    let stray = strays.into_iter().next().filter(|_| !objects.is_empty());
    Ok((objects, stray))
}

fn unlisted(document: Value) -> Vec<Value> {
    let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match document["items"].as_array() {
        Some(items) if is_list => items.clone(),
        _ => vec![document],
    }
}

/// What has `apiVersion` and `kind`, too, and is read by other programs than Kubernetes.
const OTHERS: [&str; 5] =
    ["kind.x-k8s.io/", "kustomize.config.k8s.io/", "skaffold/", "ctlptl.dev/", "tilt.dev/"];

impl Object {
    fn is_one(&self) -> bool {
        let version = self.0["apiVersion"].as_str().unwrap_or_default();
        self.lack().is_none() && !OTHERS.iter().any(|it| version.starts_with(it))
    }

    /// What keeps Kubernetes from taking it for an object, if something does.
    fn lack(&self) -> Option<String> {
        let lacks = |field: &&str| self.0[*field].as_str().is_none_or(str::is_empty);
        let field = ["apiVersion", "kind"].into_iter().find(lacks)?;
        let name = format!("{} {}", self.kind(), self.name());
        Some(match name.trim() {
            "" => format!("has no {field}"),
            name => format!("({name}) has no {field}"),
        })
    }

    /// What it is: `Deployment`.
    pub fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Its namespace, if it says one.
    pub fn namespace(&self) -> Option<&str> {
        self.0["metadata"]["namespace"].as_str()
    }

    /// What it is to be.
    pub fn spec(&self) -> &Value {
        &self.0["spec"]
    }

    /// The images of its containers, as they are written, each once.
    pub fn images(&self) -> Vec<&str> {
        let mut images = Vec::new();
        gather(&self.0, &mut images);
        images
    }
}

/// Containers stand at different depths: in a Pod, a Deployment, a `CronJob`.
fn gather<'a>(value: &'a Value, images: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, images)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let containers = field.as_array().filter(|_| CONTAINERS.contains(&name.as_str()));
                let named = containers.into_iter().flatten();
                for image in named.filter_map(|container| container["image"].as_str()) {
                    if !images.contains(&image) {
                        images.push(image);
                    }
                }
                gather(field, images);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_known_from_other_yaml() {
        let kinds = |text: &str| {
            objects(text).iter().map(|it| it.kind().to_owned()).collect::<Vec<_>>().join(" ")
        };
        for (text, expected) in [
            (
                "apiVersion: v1\nkind: Service\n---\n---\napiVersion: apps/v1\nkind: Deployment",
                "Service Deployment",
            ),
            ("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}", "Pod"),
            ("{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}", "Pod"),
            ("apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster", ""),
            ("apiVersion: v2\nname: chart", ""),
            ("services: {web: {image: x}}", ""),
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.x }}}", ""),
            ("- a\n- b", ""),
            ("", ""),
        ] {
            assert_eq!(kinds(text), expected, "{text}");
        }
        assert!(read("a: {{ x }}").unwrap_err().contains("line 1"));
    }

    #[test]
    fn a_document_among_objects_that_is_none_is_told() {
        let pod = "apiVersion: v1\nkind: Pod\n---\n";
        let stray = |text: &str| read(text).unwrap().1;
        for (text, expected) in [
            ("kind: Service\nmetadata: {name: a}", "document 2 (Service a) has no apiVersion"),
            ("apiVersion: v1\nmetadata: {name: a}", "document 2 (a) has no kind"),
            ("apiVersion: 1\nkind: Service", "document 2 (Service) has no apiVersion"),
            ("a: 1", "document 2 has no apiVersion"),
            ("prose", "document 2 has no apiVersion"),
            (
                "apiVersion: v1\nkind: List\nitems: [{kind: Pod}]",
                "document 2 (Pod) has no apiVersion",
            ),
        ] {
            assert_eq!(stray(&format!("{pod}{text}")).as_deref(), Some(expected), "{text}");
            assert_eq!(stray(text), None, "it is of another program");
        }
        for text in ["", "# nothing", "apiVersion: skaffold/v4\nkind: Config"] {
            assert_eq!(stray(&format!("{pod}{text}")), None, "{text}");
        }
    }

    #[test]
    fn images_are_found_at_any_depth() {
        let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly, namespace: demo}\nspec:\n  \
                    jobTemplate:\n    spec:\n      template:\n        spec:\n          \
                    initContainers: [{image: a}]\n          containers: [{image: 'b:1'}, {image: a}]\n          \
                    image: no";
        let objects = objects(text);
        let mut images = objects[0].images();
        images.sort_unstable();
        assert_eq!(images, ["a", "b:1"]);
        assert_eq!((objects[0].name(), objects[0].namespace()), ("nightly", Some("demo")));
    }
}
