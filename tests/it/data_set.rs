//! The data sets of the conformance matrix: for each kind of content that a registry must take, the
//! blobs and manifests that make it up, in the order to push them, and the tags to give them.

use crate::content::{
    ARTIFACT, Algorithm, DOCKER_CONFIG, DOCKER_IMAGE, DOCKER_LAYER, DOCKER_LIST, EMPTY, IMAGE,
    LAYER, LAYER_FOREIGN, Manifest, OTHER_ARTIFACT, artifact_json, blob, descriptor, image,
    image_json, index_json,
};
use serde_json::{Value, json};

/// Something to push: the blobs first, the manifests in order, the tags last.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataSet {
    /// What it is about.
    pub(crate) name: &'static str,
    /// Blobs.
    pub(crate) blobs: Vec<Vec<u8>>,
    /// Manifests, children before parents.
    pub(crate) manifests: Vec<Manifest>,
    /// Tags, each with the position of its manifest.
    pub(crate) tags: Vec<(String, usize)>,
}

impl DataSet {
    fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn image(mut self, algorithm: Algorithm, name: &str) -> Self {
        let (blobs, manifest) = image(algorithm, name);
        self.blobs.extend(blobs);
        self.manifest(manifest)
    }

    fn artifact(mut self, algorithm: Algorithm, name: &str, edit: impl FnOnce(&mut Value)) -> Self {
        let layer = blob(name, 2048);
        let mut value = artifact_json(algorithm, ARTIFACT, &layer);
        edit(&mut value);
        self.blobs.extend([b"{}".to_vec(), layer]);
        self.manifest(Manifest::new(&value))
    }

    fn manifest(mut self, manifest: Manifest) -> Self {
        self.manifests.push(manifest);
        self
    }

    /// An index over all image manifests so far.
    fn index(self, algorithm: Algorithm, edit: impl FnOnce(&mut Value)) -> Self {
        let loose: Vec<&Manifest> =
            self.manifests.iter().filter(|m| m.media_type == IMAGE).collect();
        let mut value = index_json(algorithm, &loose);
        edit(&mut value);
        self.manifest(Manifest::new(&value))
    }

    /// Tags the last manifest.
    fn tag(mut self, tag: &str) -> Self {
        self.tags.push((tag.to_owned(), self.manifests.len() - 1));
        self
    }

    /// What `referrers` must say about each subject in this set: subject, then descriptor.
    pub(crate) fn referrers(&self, algorithm: Algorithm) -> Vec<(String, Value)> {
        let entry = |manifest: &Manifest| {
            let json = manifest.json();
            let subject = json["subject"]["digest"].as_str()?.to_owned();
            let mut entry = manifest.descriptor(algorithm);
            let config = json.get("config").map(|config| &config["mediaType"]);
            if let Some(artifact_type) = json.get("artifactType").or(config) {
                entry["artifactType"] = artifact_type.clone();
            }
            if let Some(annotations) = json.get("annotations") {
                entry["annotations"] = annotations.clone();
            }
            Some((subject, entry))
        };
        self.manifests.iter().filter_map(entry).collect()
    }
}

/// Every data set, its descriptors in `algorithm`.
pub(crate) fn all(algorithm: Algorithm) -> Vec<DataSet> {
    [
        images(algorithm),
        indexes(algorithm),
        artifacts(algorithm),
        subjects(algorithm),
        odd(algorithm),
    ]
    .concat()
}

/// Manifests whose blobs or children are missing; taken only where sparse manifests are allowed.
pub(crate) fn sparse(algorithm: Algorithm) -> DataSet {
    let (blobs, manifest) = image(algorithm, "sparse");
    let mut set = DataSet::new("sparse").manifest(manifest).tag("sparse-image");
    set.blobs = blobs[..2].to_vec();
    let mut set = set.image(algorithm, "sparse child");
    let absent = Manifest::pushed_as(&json!({ "never": "pushed" }), IMAGE);
    let index = index_json(algorithm, &[&set.manifests[1], &absent]);
    set = set.manifest(Manifest::new(&index)).tag("sparse-index");
    set
}

fn images(algorithm: Algorithm) -> Vec<DataSet> {
    let layers = [blob("plain 0", 1024), blob("plain 1", 1536)];
    let mut plain = image_json(algorithm, b"{\"os\":\"linux\"}", &layers);
    for layer in plain["layers"].as_array_mut().unwrap() {
        layer["mediaType"] = json!(LAYER);
    }
    let mut uncompressed = DataSet::new("image-uncompressed");
    uncompressed.blobs = [vec![b"{\"os\":\"linux\"}".to_vec()], layers.to_vec()].concat();

    let (blobs, manifest) = image(algorithm, "large");
    let mut large = manifest.json();
    for i in 0..390 {
        large["annotations"][format!("large-{i}")] = json!("A".repeat(10_000));
    }
    let mut large_manifest = DataSet::new("large-manifest");
    large_manifest.blobs = blobs;

    vec![
        DataSet::new("image").image(algorithm, "image").tag("image"),
        uncompressed.manifest(Manifest::new(&plain)).tag("image-uncompressed"),
        large_manifest.manifest(Manifest::new(&large)).tag("large-manifest"),
    ]
}

fn indexes(algorithm: Algorithm) -> Vec<DataSet> {
    let two = |name| {
        let set = DataSet::new(name).image(algorithm, &format!("{name} amd64"));
        set.image(algorithm, &format!("{name} arm64"))
    };
    let mut nested = two("nested-index").index(algorithm, |_| ());
    let (blobs, other) = image(algorithm, "nested-index other");
    nested.blobs.extend(blobs);
    let second = Manifest::new(&index_json(algorithm, &[&other]));
    let outer = Manifest::new(&index_json(algorithm, &[&nested.manifests[2], &second]));
    let empty = Manifest::new(&index_json(algorithm, &[]));
    vec![
        two("index").index(algorithm, |_| ()).tag("index").tag("index-again"),
        nested.manifest(other).manifest(second).manifest(outer).tag("index-of-index"),
        DataSet::new("empty-index").manifest(empty).tag("empty-index"),
    ]
}

fn artifacts(algorithm: Algorithm) -> Vec<DataSet> {
    let set = DataSet::new("artifact-index").artifact(algorithm, "artifact amd64", |_| ());
    let index = set.artifact(algorithm, "artifact arm64", |_| ());
    let mut no_layers = artifact_json(algorithm, ARTIFACT, b"{}");
    no_layers["layers"][0]["mediaType"] = json!(EMPTY);
    let mut without_layers = DataSet::new("artifact-without-layers");
    without_layers.blobs.push(b"{}".to_vec());
    vec![
        DataSet::new("artifact").artifact(algorithm, "artifact", |_| ()).tag("artifact"),
        index
            .index(algorithm, |index| index["artifactType"] = json!(ARTIFACT))
            .tag("artifact-index"),
        without_layers.manifest(Manifest::new(&no_layers)).tag("artifact-without-layers"),
    ]
}

fn subjects(algorithm: Algorithm) -> Vec<DataSet> {
    let refers = |subject: Value, kind: &'static str| {
        move |value: &mut Value| {
            value["subject"] = subject;
            value["artifactType"] = json!(kind);
            value["annotations"] =
                json!({ "org.example.kind": kind, "org.example.text": "ä \"b\"" });
        }
    };
    let set = DataSet::new("artifacts-with-subject").image(algorithm, "subject").tag("subject");
    let subject = set.manifests[0].descriptor(algorithm);
    let (blobs, plain) = image(algorithm, "a plain image with a subject");
    let mut plain = plain.json();
    plain["subject"] = subject.clone();
    let mut set = set.manifest(Manifest::new(&plain));
    set.blobs.extend(blobs);
    let set = set
        .artifact(algorithm, "referrer 1", refers(subject.clone(), ARTIFACT))
        .tag("referrer-1")
        .artifact(algorithm, "referrer 2", refers(subject, OTHER_ARTIFACT))
        .tag("referrer-2");

    let index = DataSet::new("index-with-subject").image(algorithm, "index subject");
    let index = index.index(algorithm, |_| ()).tag("index-subject");
    let subject = index.manifests[1].descriptor(algorithm);
    let untyped = json!({
        "schemaVersion": 2, "mediaType": crate::content::INDEX, "manifests": [], "subject": subject,
    });
    let index = index.artifact(algorithm, "indexed referrer", |_| ());
    let index = index.index(algorithm, refers(subject, ARTIFACT)).tag("index-referrer");
    let index = index.manifest(Manifest::new(&untyped));

    let absent = descriptor(algorithm, IMAGE, b"content that is never pushed");
    let missing = DataSet::new("missing-subject");
    let missing = missing.artifact(algorithm, "orphan", refers(absent, ARTIFACT)).tag("orphan");
    vec![set, index, missing]
}

fn odd(algorithm: Algorithm) -> Vec<DataSet> {
    vec![
        data_field(algorithm),
        non_distributable(algorithm),
        custom_fields(algorithm),
        no_layers(algorithm),
        unknown_config(algorithm),
        without_media_type(algorithm),
        docker(algorithm),
    ]
}

/// Descriptors that carry their content in `data` (image spec, "Embedded Content").
fn data_field(algorithm: Algorithm) -> DataSet {
    let (config, layer) = (b"{\"os\":\"plan9\"}".to_vec(), b"hello".to_vec());
    let mut value = image_json(algorithm, &config, std::slice::from_ref(&layer));
    value["config"]["data"] = json!("eyJvcyI6InBsYW45In0=");
    value["layers"][0]["data"] = json!("aGVsbG8=");
    let mut set = DataSet::new("data-field");
    set.blobs = vec![config, layer];
    set.manifest(Manifest::new(&value)).tag("data-field")
}

/// Layers that are kept elsewhere and never pushed.
fn non_distributable(algorithm: Algorithm) -> DataSet {
    let (config, layer) = (b"{\"os\":\"windows\"}".to_vec(), blob("distributable", 800));
    let mut value = image_json(algorithm, &config, std::slice::from_ref(&layer));
    let foreign = |media_type: &str, name: &str| {
        let mut foreign = descriptor(algorithm, media_type, name.as_bytes());
        foreign["urls"] = json!([format!("https://store.example.com/{name}")]);
        foreign
    };
    let ours = value["layers"][0].take();
    let gzip = format!("{LAYER_FOREIGN}+gzip");
    value["layers"] = json!([foreign(&gzip, "base"), foreign(LAYER_FOREIGN, "update"), ours]);
    let mut set = DataSet::new("non-distributable-layers");
    set.blobs = vec![config, layer];
    set.manifest(Manifest::new(&value)).tag("non-distributable")
}

/// Fields that no version of the image specification knows, everywhere.
fn custom_fields(algorithm: Algorithm) -> DataSet {
    let mut set = DataSet::new("custom-fields");
    for name in ["amd64", "arm64"] {
        let (blobs, manifest) = image(algorithm, &format!("custom {name}"));
        let mut value = manifest.json();
        value["org.example.extra"] = json!({ "deep": [1, null, { "er": true }] });
        value["config"]["extra"] = json!(name);
        set.blobs.extend(blobs);
        set = set.manifest(Manifest::new(&value));
    }
    let index =
        set.index(algorithm, |index| index["org.example.extra"] = json!(["of", "the", "index"]));
    index.tag("custom-fields")
}

fn no_layers(algorithm: Algorithm) -> DataSet {
    let config = b"{\"os\":\"nothing\"}".to_vec();
    let mut set = DataSet::new("no-layers");
    set = set.manifest(Manifest::new(&image_json(algorithm, &config, &[]))).tag("no-layers");
    set.blobs.push(config);
    set
}

/// An artifact of the days before `artifactType`: only the config's media type tells what it is.
fn unknown_config(algorithm: Algorithm) -> DataSet {
    let (config, layer) = (blob("a config that is not JSON", 99), blob("chart", 4096));
    let mut value = image_json(algorithm, &config, std::slice::from_ref(&layer));
    value["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    value["layers"][0]["mediaType"] = json!("application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    let mut set = DataSet::new("unknown-config");
    set.blobs = vec![config, layer];
    set.manifest(Manifest::new(&value)).tag("unknown-config")
}

/// OCI manifests need no `mediaType`: the shape tells, and the Content-Type.
fn without_media_type(algorithm: Algorithm) -> DataSet {
    let (config, layer) = (b"{\"os\":\"linux\",\"v\":1}".to_vec(), blob("without media type", 64));
    let bare = |mut value: Value| {
        value.as_object_mut().unwrap().remove("mediaType");
        value
    };
    let image = bare(image_json(algorithm, &config, std::slice::from_ref(&layer)));
    let image = Manifest::pushed_as(&image, IMAGE);
    let index = Manifest::pushed_as(&bare(index_json(algorithm, &[&image])), crate::content::INDEX);
    let mut set = DataSet::new("without-media-type");
    set.blobs = vec![config, layer];
    set.manifest(image).manifest(index).tag("without-media-type")
}

/// Docker's types, which are kept as they are.
fn docker(algorithm: Algorithm) -> DataSet {
    let (config, layer) = (b"{\"os\":\"linux\",\"v\":2}".to_vec(), blob("docker", 1234));
    let image = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_IMAGE,
        "config": descriptor(algorithm, DOCKER_CONFIG, &config),
        "layers": [descriptor(algorithm, DOCKER_LAYER, &layer)],
    });
    let image = Manifest::new(&image);
    let list = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [image.descriptor(algorithm)],
    });
    let mut set = DataSet::new("docker");
    set.blobs = vec![config, layer];
    set.manifest(image).tag("docker-image").manifest(Manifest::new(&list)).tag("docker-list")
}
