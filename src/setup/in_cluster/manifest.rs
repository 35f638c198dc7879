//! The objects of a registry inside a cluster, as a person would write them. Pure text.

use wharf_oci::Digest;

use super::{NAMESPACE, NODE_PORT};
use crate::setup::Config;
use crate::setup::config::PORT;

/// The annotation with what the objects were made of, by which a change is seen, and whose they are.
pub const MADE_OF: &str = "wharf/made-of";

/// What the image's user is: nobody, and no root.
const USER: u32 = 10001;

/// The objects, of an image of this id; without it they hold for whatever image has the name.
pub fn text(config: &Config, image: Option<&Digest>) -> String {
    let Config { registry: name, image: image_name, volume: claim, .. } = config;
    let made_of = match image {
        Some(id) => format!("\n      annotations:\n        wharf/image: \"{id}\""),
        None => String::new(),
    };
    format!(
        r#"# A registry inside the cluster: push to localhost:{host_port} on the host, and say
# {name}:{PORT}/NAME in pods. Every node finds it on its own port {NODE_PORT}.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
---
# What is pushed. It stays when the rest is deleted.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {claim}
  namespace: {NAMESPACE}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 10Gi
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {NAMESPACE}
spec:
  replicas: 1
  # One process writes a volume: the old one ends before the new one begins.
  strategy:
    type: Recreate
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}{made_of}
    spec:
      # Kubernetes would give it REGISTRY_* variables of Services, which are settings of registries.
      enableServiceLinks: false
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: {USER}
        runAsGroup: {USER}
        fsGroup: {USER}
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: registry
          # Loaded into the nodes: there is no registry yet that it could be pulled from.
          image: {image_name}
          imagePullPolicy: Never
          args: [serve]
          ports:
            - name: registry
              containerPort: {PORT}
          readinessProbe:
            httpGet:
              path: /v2/
              port: registry
            periodSeconds: 2
          livenessProbe:
            httpGet:
              path: /v2/
              port: registry
            initialDelaySeconds: 10
            periodSeconds: 20
            timeoutSeconds: 5
          resources:
            requests:
              cpu: 50m
              memory: 64Mi
            limits:
              memory: 1Gi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: store
              mountPath: /var/lib/registry
      volumes:
        - name: store
          persistentVolumeClaim:
            claimName: {claim}
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {NAMESPACE}
spec:
  type: NodePort
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: registry
      port: {PORT}
      targetPort: registry
      nodePort: {NODE_PORT}
"#,
        host_port = config.port,
    )
}

/// The same, with a note at the Deployment and the Service of what all of it was made of.
pub fn annotated(text: &str, made_of: &str) -> String {
    let heads = ["Deployment", "Service"].map(|kind| format!("\nkind: {kind}\nmetadata:\n"));
    heads.iter().fold(text.to_owned(), |text, head| {
        text.replacen(head, &format!("{head}  annotations:\n    {MADE_OF}: \"{made_of}\"\n"), 1)
    })
}

/// The same without the claim, for where one stands already: it is used as it is.
pub fn without_claim(text: &str) -> String {
    const BETWEEN: &str = "---\n";
    let is_other = |it: &&str| !it.contains("\nkind: PersistentVolumeClaim\n");
    text.split(BETWEEN).filter(is_other).collect::<Vec<_>>().join(BETWEEN)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use wharf_oci::Algorithm;
    use yaml_serde::Value;

    use super::*;
    use crate::setup::site::tests::site;

    fn objects(text: &str) -> Vec<Value> {
        yaml_serde::Deserializer::from_str(text)
            .map(|document| Value::deserialize(document).unwrap())
            .collect()
    }

    #[test]
    fn the_objects_belong_together() {
        let (site, _) = site([]);
        let objects = objects(&text(&site.config, None));
        let kinds: Vec<_> = objects.iter().map(|it| it["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["Namespace", "PersistentVolumeClaim", "Deployment", "Service"]);
        let (claim, deployment, service) = (&objects[1], &objects[2]["spec"], &objects[3]["spec"]);
        let pod = &deployment["template"];
        assert_eq!(pod["metadata"]["labels"], deployment["selector"]["matchLabels"]);
        assert_eq!(pod["metadata"]["labels"], service["selector"]);
        let volume = &pod["spec"]["volumes"][0];
        assert_eq!(volume["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["volumeMounts"][0]["name"], volume["name"]);
        assert_eq!(service["ports"][0]["targetPort"], container["ports"][0]["name"]);
        assert_eq!(service["ports"][0]["nodePort"], 30500);
        assert_eq!(container["imagePullPolicy"], "Never");
        assert_eq!(container["image"], "localhost/wharf:1.0.0");
        assert_eq!(pod["spec"]["enableServiceLinks"], false);
    }

    #[test]
    fn another_image_of_the_same_name_is_another_pod() {
        let (site, _) = site([]);
        let id = Digest::of(Algorithm::Sha256, b"config");
        let objects = objects(&text(&site.config, Some(&id)));
        let annotations = &objects[2]["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["wharf/image"], id.to_string());
        let noted = self::objects(&annotated(&text(&site.config, Some(&id)), "123"));
        for at in [2, 3] {
            assert_eq!(noted[at]["metadata"]["annotations"][MADE_OF], "123");
            assert_eq!(noted[at]["spec"], objects[at]["spec"]);
        }
    }

    #[test]
    fn a_claim_that_stands_is_not_applied() {
        let (site, _) = site([]);
        let all = objects(&text(&site.config, None));
        let others = objects(&without_claim(&text(&site.config, None)));
        assert_eq!(others, [&all[..1], &all[2..]].concat());
    }
}
