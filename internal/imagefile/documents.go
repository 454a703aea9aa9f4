package imagefile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

const (
	blobs = "blobs/sha256/"

	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// blob is content that is named by its SHA-256, in hexadecimal digits.
type blob struct {
	digest string
	size   int64
}

func blobOf(text []byte) blob {
	sum := sha256.Sum256(text)
	return blob{digest: hex.EncodeToString(sum[:]), size: int64(len(text))}
}

// path is where an OCI image layout has it.
func (b blob) path() string { return blobs + b.digest }

func (b blob) descriptor(mediaType string) descriptor {
	return descriptor{MediaType: mediaType, Digest: "sha256:" + b.digest, Size: b.size}
}

// The types below are documents of the OCI image specification, as far as they are used here. Keys of maps are sorted when encoded.

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type imageManifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type imageIndex struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type imageConfig struct {
	platform
	Created time.Time `json:"created"`
	Config  runConfig `json:"config"`
	RootFS  rootFS    `json:"rootfs"`
	History []history `json:"history"`
}

type runConfig struct {
	User       string
	Env        []string
	Entrypoint []string
	WorkingDir string
	Labels     map[string]string
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// dockerImage is an element of the manifest.json that docker load reads.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// documents are all that an archive holds beside the layer.
type documents struct {
	layout, index, docker []byte

	config, manifest         blob
	configText, manifestText []byte
}

func describe(o Options, architecture string, layer blob) (*documents, error) {
	on := platform{Architecture: architecture, OS: "linux"}
	reference := o.Name + ":" + o.Tag
	var d documents
	var err error
	encode := func(v any) []byte {
		text, failed := json.Marshal(v)
		if failed != nil {
			err = failed
		}
		return text
	}
	d.configText = encode(imageConfig{
		platform: on,
		Created:  epoch,
		Config:   runConfig{User: o.User, Env: environment(o), Entrypoint: []string{Program}, WorkingDir: "/", Labels: labels(o)},
		RootFS:   rootFS{Type: "layers", DiffIDs: []string{"sha256:" + layer.digest}},
		History:  []history{{Created: epoch, CreatedBy: "mock-ec2-metadata-kube image"}},
	})
	d.config = blobOf(d.configText)
	d.manifestText = encode(imageManifest{
		SchemaVersion: 2, MediaType: manifestType,
		Config: d.config.descriptor(configType),
		Layers: []descriptor{layer.descriptor(layerType)},
	})
	d.manifest = blobOf(d.manifestText)
	listed := d.manifest.descriptor(manifestType)
	listed.Platform = &on
	listed.Annotations = map[string]string{
		"io.containerd.image.name":          reference, // by which containerd imports it
		"org.opencontainers.image.ref.name": o.Tag,
	}
	d.index = encode(imageIndex{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{listed}})
	d.docker = encode([]dockerImage{{Config: d.config.path(), RepoTags: []string{reference}, Layers: []string{layer.path()}}})
	d.layout = encode(map[string]string{"imageLayoutVersion": "1.0.0"})
	return &d, err
}

func environment(o Options) []string {
	env := []string{"HOME=" + home}
	if o.Zoneinfo != "" {
		env = append(env, "ZONEINFO=/usr/share/zoneinfo.zip")
	}
	return append(env, o.Env...)
}

func labels(o Options) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       "mock-ec2-metadata-kube",
		"org.opencontainers.image.description": "The EC2 Instance Metadata Service of a Kubernetes cluster: every pod its role",
		"org.opencontainers.image.licenses":    "MIT",
	}
	if o.Version != "" {
		all["org.opencontainers.image.version"] = o.Version
	}
	return all
}
