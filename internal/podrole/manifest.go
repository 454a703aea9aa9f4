package podrole

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/caller"
)

// ManifestPod is a pod of a manifest, or what the pods of a workload have in common.
type ManifestPod struct {
	caller.Pod
	// Kind is that of the document, such as Deployment. Name is the workload's then, since pods get theirs later.
	Kind        string
	HostNetwork bool
}

// String names the pod or the workload: "Deployment shop/web".
func (p *ManifestPod) String() string { return p.Kind + " " + p.Namespace + "/" + p.Name }

// mostManifest bounds a manifest in bytes.
const mostManifest = 16 << 20

// ParsePods reads the pods of a manifest: Pod, and the pod templates of Deployment, DaemonSet, StatefulSet, ReplicaSet,
// ReplicationController, Job and CronJob, also in a List. ServiceAccount and Namespace documents give their annotations. Documents of
// other kinds are skipped. Without a namespace, an object is in default. Its errors name the document and the field; a manifest
// without any pod is one.
func ParsePods(manifest []byte) (pods []ManifestPod, err error) {
	if len(manifest) > mostManifest {
		return nil, errors.New("larger than 16 MiB; this is not a manifest")
	}
	// The parser has panicked on invalid input before.
	defer func() {
		if r := recover(); r != nil {
			pods, err = nil, fmt.Errorf("not valid YAML: the parser gave up: %v", r)
		}
	}()
	m := manifestReader{accounts: map[string]map[string]string{}, namespaces: map[string]map[string]string{}}
	documents := yaml.NewDecoder(bytes.NewReader(manifest))
	for n := 1; ; n++ {
		var content any
		switch err := documents.Decode(&content); {
		case errors.Is(err, io.EOF):
			return m.finish()
		case err != nil:
			return nil, fmt.Errorf("document %d: not valid YAML: %s", n, strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " "))
		case content == nil:
			continue
		}
		if err := m.document(object{where: fmt.Sprintf("document %d", n), content: content}); err != nil {
			return nil, err
		}
	}
}

// manifestReader collects what documents have.
type manifestReader struct {
	pods                 []ManifestPod
	accounts, namespaces map[string]map[string]string // annotations
	lists                int                          // depth of lists
}

// templateOf returns the place of the pod template of a kind.
func templateOf(kind string) (place []string, hasPods bool) {
	switch kind {
	case "Pod":
		return nil, true
	case "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job":
		return []string{"spec", "template"}, true
	case "CronJob":
		return []string{"spec", "jobTemplate", "spec", "template"}, true
	default:
		return nil, false
	}
}

// document reads a document or an item of a list.
func (m *manifestReader) document(o object) error {
	kind, err := o.text("kind")
	if err != nil {
		return err
	}
	place, hasPods := templateOf(kind)
	switch {
	case kind == "":
		return fmt.Errorf("%s: kind: is missing; write e.g. kind: Pod", o.where)
	case kind == "List":
		return m.list(o)
	case !hasPods && kind != "ServiceAccount" && kind != "Namespace":
		return nil
	}
	o.where += " (" + kind + ")"
	meta, err := o.metadata()
	if err != nil {
		return err
	}
	switch kind {
	case "ServiceAccount":
		m.accounts[meta.namespace+"/"+meta.name] = meta.annotations
		return nil
	case "Namespace":
		m.namespaces[meta.name] = meta.annotations
		return nil
	}
	return m.pod(o, kind, meta, place)
}

// list reads the items of a List.
func (m *manifestReader) list(o object) error {
	if m.lists++; m.lists > 8 {
		return fmt.Errorf("%s: lists in lists; write one list", o.where)
	}
	defer func() { m.lists-- }()
	items, err := o.value("items")
	if err != nil || items == nil {
		return err
	}
	all, ok := items.([]any)
	if !ok {
		return fmt.Errorf("%s: items: want a list, but this is %s", o.where, kindOf(items))
	}
	for i, item := range all {
		if err := m.document(object{where: fmt.Sprintf("%s, items[%d]", o.where, i), content: item}); err != nil {
			return err
		}
	}
	return nil
}

// pod reads a pod, or the template of a workload.
func (m *manifestReader) pod(o object, kind string, meta metadata, place []string) error {
	namespace, name := meta.namespace, meta.name
	pod, err := o.below(place...)
	if err != nil {
		return err
	}
	if len(place) > 0 {
		if meta, err = pod.metadata(); err != nil {
			return err
		}
	}
	spec, err := pod.below("spec")
	if err != nil {
		return err
	}
	p := ManifestPod{Kind: kind, Pod: caller.Pod{Namespace: namespace, Name: name, UID: meta.uid, Annotations: meta.annotations}}
	if p.ServiceAccount, err = spec.text("serviceAccountName", "serviceAccount"); err != nil {
		return err
	}
	if p.ServiceAccount == "" {
		p.ServiceAccount = defaultName
	}
	host, err := spec.value("hostNetwork")
	if err != nil {
		return err
	}
	is, isBool := host.(bool)
	if host != nil && !isBool {
		return fmt.Errorf("%s: want true or false, but this is %s", spec.field("hostNetwork"), kindOf(host))
	}
	p.HostNetwork = is
	m.pods = append(m.pods, p)
	return nil
}

// finish gives the pods the annotations of their service accounts and namespaces.
func (m *manifestReader) finish() ([]ManifestPod, error) {
	if len(m.pods) == 0 {
		return nil, errors.New("no pod in it; it needs a Pod, Deployment, DaemonSet, StatefulSet, ReplicaSet, Job or CronJob")
	}
	for i := range m.pods {
		p := &m.pods[i]
		p.AccountAnnotations = m.accounts[p.Namespace+"/"+p.ServiceAccount]
		p.NamespaceAnnotations = m.namespaces[p.Namespace]
	}
	return m.pods, nil
}
