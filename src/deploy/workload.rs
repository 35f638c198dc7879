//! What a deployment consists of: the objects that make pods and roll them out.

use serde::Serialize;
use serde_json::Value;

use crate::project::manifest::Object;

/// The kinds that kubectl can wait for.
const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// `Deployment`, `StatefulSet` or `DaemonSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; none: that of kubectl's context.
    pub namespace: Option<String>,
    /// By which labels its pods are known.
    #[serde(skip)]
    pub selector: String,
}

impl Workload {
    /// Those among objects.
    pub fn of(objects: &[Object]) -> Vec<Self> {
        let workload = |object: &Object| Self {
            kind: object.kind().to_owned(),
            name: object.name().to_owned(),
            namespace: object.namespace().map(str::to_owned),
            selector: selector(&object.spec()["selector"]),
        };
        objects.iter().filter(|it| KINDS.contains(&it.kind())).map(workload).collect()
    }

    /// As kubectl takes it: `deployment/moon-server`.
    pub fn argument(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.name)
    }

    /// The words of a command of kubectl about it.
    pub fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let namespace = self.namespace.as_deref();
        let namespace = namespace.map(|name| ["--namespace", name]);
        words.iter().copied().chain(namespace.into_iter().flatten()).collect()
    }
}

/// A selector as kubectl takes it: `app=moon,tier in (a,b)`.
fn selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    labels.chain(expressions.filter_map(expression)).collect::<Vec<_>>().join(",")
}

fn expression(expression: &Value) -> Option<String> {
    let key = expression["key"].as_str()?;
    let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let values = values.collect::<Vec<_>>().join(",");
    Some(match expression["operator"].as_str()? {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.to_owned(),
        "DoesNotExist" => format!("!{key}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::manifest;

    #[test]
    fn what_can_be_waited_for_is_found_with_its_pods_labels() {
        let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: moon, namespace: demo}
spec: {selector: {matchLabels: {app: moon, tier: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: moon}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: each}
spec:
  selector:
    matchExpressions:
    - {key: a, operator: In, values: [x, z]}
    - {key: b, operator: NotIn, values: [v]}
    - {key: c, operator: Exists}
    - {key: d, operator: DoesNotExist}
";
        let workloads = Workload::of(&manifest::objects(text));
        let [moon, each] = &workloads[..] else { panic!("{workloads:?}") };
        assert_eq!((&*moon.argument(), &*moon.selector), ("deployment/moon", "app=moon,tier=web"));
        assert_eq!(moon.words(&["get", "pods"]), ["get", "pods", "--namespace", "demo"]);
        assert_eq!(each.selector, "a in (x,z),b notin (v),c,!d");
        assert_eq!(each.words(&["get"]), ["get"]);
    }
}
