//! `wharf.toml` as it is written, and what may be wrong with it. Nothing in it is passed over: an
//! unknown key is refused with the nearest that is known.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wharf_client::RegistryAddress;
use wharf_oci::ImageReference;

use super::{Image, Project, ProjectError};

/// What may stand at the top, and in each table.
const TOP: [&str; 5] = ["image", "manifests", "namespace", "registry", "cluster"];
const IMAGE: [&str; 6] = ["name", "context", "containerfile", "target", "build-args", "platform"];
const REGISTRY: [&str; 2] = ["address", "pods"];
const CLUSTER: [&str; 1] = ["name"];

/// Reads the text of a file.
pub(super) fn read(path: &Path, text: &str) -> Result<Project, ProjectError> {
    let line_at = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|source| ProjectError::Toml {
        path: path.to_owned(),
        line: source.span().map_or(1, |span| line_at(span.start)),
        reason: source.message().to_owned(),
    })?;
    let file = File { path, line_at: &line_at };
    let top = file.section(table.get_ref(), "the file", 1, &TOP)?;
    let images = file.images(&top)?;
    let (mut registry, mut pod_registry, mut cluster) = (None, None, None);
    if let Some(section) = top.section("registry", "[registry]", &REGISTRY)? {
        let host_and_port = "a registry's HOST:PORT";
        registry = section.parsed("address", host_and_port)?;
        let pods: Option<RegistryAddress> = section.parsed("pods", host_and_port)?;
        pod_registry = pods.map(|pods| pods.name().to_owned());
    }
    if let Some(section) = top.section("cluster", "[cluster]", &CLUSTER)? {
        cluster = section.name("name")?;
    }
    let manifests = top.texts("manifests")?.iter().map(|it| file.place(it)).collect();
    let namespace = top.name("namespace")?;
    let file = path.to_owned();
    Ok(Project { file, images, manifests, namespace, registry, pod_registry, cluster })
}

/// The name that is most like one that is not known, if one is.
pub(super) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.75;
    let near = |name: &'a str| (strsim::jaro_winkler(written, name), name);
    let scored = names.map(near).filter(|(likeness, _)| *likeness > NEAR);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// Whether two names mean one image: an engine puts `localhost/` before a name without a host.
fn is_same(a: &ImageReference, b: &ImageReference) -> bool {
    let host = |name: &ImageReference| name.registry.clone().filter(|host| host != "localhost");
    (&a.name, &a.tag, host(a)) == (&b.name, &b.tag, host(b))
}

/// The file that is read.
#[derive(Clone, Copy)]
struct File<'a> {
    path: &'a Path,
    line_at: &'a dyn Fn(usize) -> usize,
}

/// A table of it.
struct Section<'a> {
    file: File<'a>,
    what: &'static str,
    line: usize,
    table: &'a DeTable<'a>,
}

impl<'a> File<'a> {
    /// A path in the file, which begins at the file's folder.
    fn place(&self, text: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // `.` is the folder itself, and not another one in it.
        folder.join(text).components().collect()
    }

    fn section(
        self,
        table: &'a DeTable<'a>,
        what: &'static str,
        line: usize,
        known: &'static [&'static str],
    ) -> Result<Section<'a>, ProjectError> {
        let mut keys: Vec<_> = table.keys().collect();
        keys.sort_by_key(|key| key.span().start);
        match keys.into_iter().find(|key| !known.contains(&key.get_ref().as_ref())) {
            None => Ok(Section { file: self, what, line, table }),
            Some(key) => Err(ProjectError::UnknownKey {
                key: key.get_ref().to_string(),
                section: what,
                path: self.path.to_owned(),
                line: (self.line_at)(key.span().start),
                nearest: nearest(key.get_ref(), known.iter().copied()),
                known,
            }),
        }
    }

    fn images(self, top: &Section<'a>) -> Result<Vec<Image>, ProjectError> {
        let tables = match top.value("image").map(|value| (value, value.get_ref())) {
            None => return Err(ProjectError::NoImages { path: self.path.to_owned() }),
            Some((_, DeValue::Array(tables))) => tables,
            Some((value, _)) => return Err(top.wrong("image", value, "tables [[image]]")),
        };
        let mut images: Vec<Image> = Vec::new();
        for value in tables {
            let line = (self.line_at)(value.span().start);
            let DeValue::Table(table) = value.get_ref() else {
                return Err(top.wrong("image", value, "tables [[image]]"));
            };
            let image = self.image(&self.section(table, "[[image]]", line, &IMAGE)?)?;
            if images.iter().any(|other| is_same(&other.name, &image.name)) {
                let (path, name) = (self.path.to_owned(), image.name.to_string());
                return Err(ProjectError::Twice { name, path, line });
            }
            images.push(image);
        }
        match images.is_empty() {
            true => Err(ProjectError::NoImages { path: self.path.to_owned() }),
            false => Ok(images),
        }
    }

    fn image(self, section: &Section<'a>) -> Result<Image, ProjectError> {
        let expected = "an image's name with a tag, as app:v1";
        let name: Option<ImageReference> = section.parsed("name", expected)?;
        let Some(name) = name else {
            let (path, line) = (self.path.to_owned(), section.line);
            return Err(ProjectError::Nameless { path, line });
        };
        if let Some(value) = section.value("name")
            && (name.tag.is_none() || name.digest.is_some())
        {
            return Err(section.wrong("name", value, expected));
        }
        Ok(Image {
            name,
            context: self.place(section.text("context")?.unwrap_or(".")),
            containerfile: section.text("containerfile")?.map(|text| self.place(text)),
            target: section.text("target")?.map(str::to_owned),
            build_args: section.pairs("build-args")?,
            platform: section.text("platform")?.map(str::to_owned),
        })
    }
}

impl<'a> Section<'a> {
    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> ProjectError {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("{text:?}"),
            value => format!("a TOML {}", value.type_str()),
        };
        ProjectError::Value {
            key: key.to_owned(),
            section: self.what,
            path: self.file.path.to_owned(),
            line: (self.file.line_at)(value.span().start),
            found,
            expected: expected.to_owned(),
        }
    }

    fn section(
        &self,
        key: &str,
        what: &'static str,
        known: &'static [&'static str],
    ) -> Result<Option<Self>, ProjectError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let line = (self.file.line_at)(value.span().start);
        match value.get_ref() {
            DeValue::Table(table) => self.file.section(table, what, line, known).map(Some),
            _ => Err(self.wrong(key, value, &format!("a table {what}"))),
        }
    }

    /// A text that is not empty.
    fn text(&self, key: &str) -> Result<Option<&'a str>, ProjectError> {
        match self.value(key).map(|value| (value, value.get_ref())) {
            None => Ok(None),
            Some((_, DeValue::String(text))) if !text.is_empty() => Ok(Some(text)),
            Some((value, _)) => Err(self.wrong(key, value, "a text")),
        }
    }

    /// One text, or a list of them.
    fn texts(&self, key: &str) -> Result<Vec<&'a str>, ProjectError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let DeValue::Array(items) = value.get_ref() else {
            return Ok(self.text(key)?.into_iter().collect());
        };
        let texts = items.iter().map(|item| match item.get_ref() {
            DeValue::String(text) if !text.is_empty() => Ok(text.as_ref()),
            _ => Err(self.wrong(key, value, "a text, or a list of texts")),
        });
        texts.collect()
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        key: &str,
        expected: &str,
    ) -> Result<Option<T>, ProjectError> {
        let (Some(text), Some(value)) = (self.text(key)?, self.value(key)) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(key, value, expected))
    }

    /// A name as Kubernetes has it.
    fn name(&self, key: &str) -> Result<Option<String>, ProjectError> {
        let (Some(text), Some(value)) = (self.text(key)?, self.value(key)) else { return Ok(None) };
        let is_end = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
        let is_inner = |it: char| is_end(it) || it == '-' || it == '.';
        let is_name = text.len() <= 63
            && text.starts_with(is_end)
            && text.ends_with(is_end)
            && text.chars().all(is_inner);
        match is_name {
            true => Ok(Some(text.to_owned())),
            false => {
                Err(self.wrong(key, value, "a name of lower case letters, digits and hyphens"))
            }
        }
    }

    /// A table of texts, numbers and switches, sorted by key.
    fn pairs(&self, key: &str) -> Result<Vec<(String, String)>, ProjectError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let expected = "a table of texts, as { VERSION = \"1.2\" }";
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong(key, value, expected));
        };
        let pair = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Boolean(on) => on.to_string(),
                _ => return Err(self.wrong(key, value, expected)),
            };
            Ok((name.get_ref().to_string(), text))
        };
        let mut pairs: Vec<_> = table.iter().map(pair).collect::<Result<_, _>>()?;
        pairs.sort();
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Project, String> {
        read(Path::new("/p/wharf.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_that_may_stand_in_the_file_is_read() {
        let project = parsed(
            "manifests = ['deploy', '/etc/x.yaml']\nnamespace = 'demo'\n\
             [registry]\naddress = 'localhost:5001'\npods = 'registry:5000'\n\
             [cluster]\nname = 'other'\n\
             [[image]]\nname = 'moon-server:v1.0.0'\ncontext = 'moon-server'\n\
             containerfile = 'docker/Moon'\ntarget = 'run'\nplatform = 'linux/arm64'\n\
             build-args = { B = 2, A = 'one', C = true }\n\
             [[image]]\nname = 'ghcr.io/me/app:1'\n",
        )
        .unwrap();
        assert_eq!(project.manifests, [Path::new("/p/deploy"), Path::new("/etc/x.yaml")]);
        assert_eq!(project.namespace.as_deref(), Some("demo"));
        assert_eq!(project.registry.unwrap().name(), "localhost:5001");
        assert_eq!(project.pod_registry.as_deref(), Some("registry:5000"));
        assert_eq!(project.cluster.as_deref(), Some("other"));
        let [moon, app] = &project.images[..] else { panic!("two images") };
        assert_eq!(moon.name.to_string(), "moon-server:v1.0.0");
        assert_eq!(moon.context, Path::new("/p/moon-server"));
        assert_eq!(moon.containerfile.as_deref(), Some(Path::new("/p/docker/Moon")));
        assert_eq!(moon.target.as_deref(), Some("run"));
        assert_eq!(moon.platform.as_deref(), Some("linux/arm64"));
        let pairs = [("A", "one"), ("B", "2"), ("C", "true")];
        assert_eq!(moon.build_args, pairs.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(
            (&app.name.to_string()[..], &*app.context),
            ("ghcr.io/me/app:1", Path::new("/p"))
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let image = "[[image]]\nname = 'app:v1'\n";
        for (text, expected) in [
            (format!("{image}contxt = 'x'"), "line 3"),
            (format!("{image}contxt = 'x'"), "`contxt`"),
            (format!("manifest = 'x'\n{image}"), "line 1"),
            ("[[image]]\nname = 'app'".into(), "with a tag"),
            ("\n[[image]]\nname = 'App:1'".into(), "line 3"),
            ("[[image]]\nname = 5".into(), "a TOML integer"),
            ("[[image]]\ncontext = 'x'".into(), "has no name"),
            ("image = 'x'".into(), "[[image]]"),
            ("manifests = 'x'".into(), "no [[image]]"),
            (format!("{image}{image}"), "twice"),
            (format!("{image}[[image]]\nname = 'localhost/app:v1'"), "twice"),
            (String::new(), "no [[image]]"),
            ("\u{feff}# nothing\n".into(), "no [[image]]"),
            ("image = []".into(), "no [[image]]"),
            ("image = {}".into(), "[[image]]"),
            ("image = [1]".into(), "[[image]]"),
            ("[[image]]\nname = ''".into(), "a text"),
            ("[[image]]\nname = '-v:1'".into(), "an image's name"),
            ("[[image]]\nname = '../app:v1'".into(), "an image's name"),
            (format!("{image}context = 1979-05-27"), "a TOML datetime"),
            (format!("{image}context = ''"), "a text"),
            (format!("{image}context = ['a']"), "a TOML array"),
            (format!("{image}{image}name = 'app:v2'"), "line 5"),
            (format!("manifests = ''\n{image}"), "a text"),
            (format!("manifests = {{}}\n{image}"), "a text"),
            (format!("namespace = 'A'\n{image}"), "lower case"),
            (format!("manifests = [1]\n{image}"), "a list of texts"),
            (format!("[cluster]\nnam = 'x'\n{image}"), "`nam`"),
            (format!("cluster = 'x'\n{image}"), "a table [cluster]"),
            (format!("{image}build-args = {{ A = [] }}"), "a table of texts"),
            (format!("{image}context = "), "line 3"),
            ("[registry]\naddress = 'a b'\n".to_owned() + image, "HOST:PORT"),
        ] {
            let error = parsed(&text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn paths_may_lead_out_of_the_projects_folder() {
        let project = parsed(
            "manifests = ['../deploy', '/etc/x']\n[[image]]\nname = 'app:v1'\ncontext = '../..'\n\
             containerfile = '../build/./Containerfile'\n[[image]]\nname = 'b:v1'\ncontext = '/srv/b'",
        )
        .unwrap();
        assert_eq!(project.manifests, [Path::new("/p/../deploy"), Path::new("/etc/x")]);
        let [app, b] = &project.images[..] else { panic!("two images") };
        assert_eq!(app.context, Path::new("/p/../.."));
        assert_eq!(app.containerfile.as_deref(), Some(Path::new("/p/../build/Containerfile")));
        assert_eq!(b.context, Path::new("/srv/b"));
    }

    #[test]
    fn an_unknown_key_is_answered_by_the_nearest() {
        let error = read(Path::new("/p/wharf.toml"), "[[image]]\nnam = 'x'").unwrap_err();
        assert!(error.hint().unwrap().contains("`name`"), "{:?}", error.hint());
        let error = read(Path::new("/p/wharf.toml"), "zzz = 'x'").unwrap_err();
        assert!(error.hint().unwrap().contains("manifests"), "{:?}", error.hint());
    }
}
