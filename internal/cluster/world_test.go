package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/testutil"
)

const tag = "mock-ec2-metadata-kube:3f2a9c"

// world is a cluster behind a kubectl that is a function. Its zero value has nothing.
type world struct {
	t       *testing.T
	mu      sync.Mutex // guards all below
	ran     []string
	stdin   map[string]string // by command, the last one
	missing []string          // programs that are not installed
	context string
	viewed  bool                      // the kubeconfig has been read: each command names the context
	nodes   string                    // file of testdata/nodes
	objects map[string]map[string]any // by kind|namespace|name
	version int
	plugins []string          // DaemonSets of other makers, as namespace/name
	fail    map[string]string // part of a command -> stderr
	answer  map[string]string // part of a command -> stdout
	phase   string            // of one-shot pods
	failed  string            // what the first container of such a pod has logged
	broken  string            // why pods of the DaemonSet wait; "" when they are ready
	slow    int               // how often pods are still there after their DaemonSet is gone
}

func newWorld(t *testing.T, nodes string) *world {
	return &world{
		t: t, context: "test", nodes: nodes, objects: map[string]map[string]any{}, stdin: map[string]string{},
		fail: map[string]string{}, answer: map[string]string{}, phase: "Succeeded",
	}
}

func (w *world) Find(name string) bool { return !slices.Contains(w.missing, name) }

func (w *world) Start(context.Context, Command) (Process, error) {
	w.t.Error("nothing is to be started")
	return nil, os.ErrInvalid
}

func (w *world) Run(ctx context.Context, c Command) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	command := strings.ReplaceAll(c.String(), " --request-timeout=15s", "")
	reading := strings.Contains(command, " config view")
	w.viewed = w.viewed || reading
	if w.viewed && !reading && strings.HasPrefix(command, "kubectl ") && !strings.Contains(command, " --context="+w.context) {
		w.t.Errorf("%s: it goes to whichever context is the current one then", command)
	}
	command = strings.Replace(command, " --context="+w.context, "", 1)
	w.ran = append(w.ran, command)
	stdin := ""
	if c.Stdin != nil {
		text, err := io.ReadAll(c.Stdin)
		if err != nil {
			return nil, err
		}
		stdin = string(text)
		w.stdin[command] = stdin
	}
	for part, stderr := range w.fail {
		if strings.Contains(command, part) {
			return nil, &ExitError{Code: 1, Stderr: stderr}
		}
	}
	for part, out := range w.answer {
		if strings.Contains(command, part) {
			return []byte(out), nil
		}
	}
	if c.Args[0] != "kubectl" {
		return nil, nil
	}
	return w.kubectl(command, stdin)
}

// kubectl answers as the API server would.
func (w *world) kubectl(command, stdin string) ([]byte, error) {
	has := func(part string) bool { return strings.Contains(command, part) }
	switch {
	case has(" config view"):
		return w.print(map[string]any{"current-context": w.context, "clusters": []any{
			map[string]any{"cluster": map[string]any{"server": "https://127.0.0.1:6443"}},
		}})
	case has(" get nodes"):
		return os.ReadFile(filepath.Join("testdata/nodes", w.nodes+".json"))
	case has(" get daemonsets.apps --all-namespaces"):
		var items []any
		for _, p := range w.plugins {
			namespace, name, _ := strings.Cut(p, "/")
			items = append(items, map[string]any{"metadata": map[string]any{"name": name, "namespace": namespace}})
		}
		return w.print(map[string]any{"items": items})
	case has(" get namespace "):
		name := strings.Fields(command)[slices.Index(strings.Fields(command), "namespace")+1]
		return w.get("Namespace||" + name)
	case has(" get pod "):
		fields := strings.Fields(command)
		name := fields[slices.Index(fields, "pod")+1]
		namespace, _, _ := strings.Cut(command[strings.Index(command, "--namespace=")+len("--namespace="):], " ")
		return w.get("Pod|" + namespace + "|" + name)
	case has(" get services"), has(" get " + contentKinds):
		return []byte("configmap/kube-root-ca.crt\nserviceaccount/default\n"), nil
	case has(" get "):
		return w.list(command)
	case has(" apply "):
		return w.apply(stdin)
	case has(" create "):
		return w.create(stdin)
	case has(" delete "):
		return w.delete(stdin)
	}
	return nil, nil
}

func (w *world) print(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		w.t.Error(err)
	}
	return text, err
}

func (w *world) get(key string) ([]byte, error) {
	if o := w.objects[key]; o != nil {
		return w.print(o)
	}
	return nil, &ExitError{Code: 1, Stderr: "Error from server (NotFound): " + key + " not found"}
}

// list returns all objects; pods whose DaemonSet is gone a few times more.
func (w *world) list(command string) ([]byte, error) {
	if w.slow > 0 {
		w.slow--
	} else {
		maps.DeleteFunc(w.objects, func(_ string, o map[string]any) bool { return o["orphan"] == true })
	}
	var items []any
	for _, key := range slices.Sorted(maps.Keys(w.objects)) {
		kind := strings.ToLower(strings.Split(key, "|")[0])
		if strings.Contains(command, kind+"s") {
			items = append(items, w.objects[key])
		}
	}
	return w.print(map[string]any{"kind": "List", "items": items})
}

func meta(o map[string]any) map[string]any { return o["metadata"].(map[string]any) }

func key(o map[string]any) string {
	namespace, _ := meta(o)["namespace"].(string)
	return fmt.Sprintf("%v|%s|%v", o["kind"], namespace, meta(o)["name"])
}

// put stores an object as a server does: what does not differ keeps its version.
func (w *world) put(o map[string]any) map[string]any {
	old := w.objects[key(o)]
	text, _ := json.Marshal(o)
	if old != nil && old["sent"] == string(text) {
		return old
	}
	w.version++
	generation := 1
	if old != nil {
		generation = old["metadata"].(map[string]any)["generation"].(int) + 1
	}
	o["sent"] = string(text)
	meta(o)["uid"], meta(o)["resourceVersion"], meta(o)["generation"] = "uid-"+key(o), fmt.Sprint(w.version), generation
	w.objects[key(o)] = o
	if o["kind"] == "DaemonSet" {
		o["status"] = map[string]any{"observedGeneration": generation}
		w.rollOut(o, fmt.Sprint(generation))
	}
	return o
}

// rollOut makes a revision, and its pods on all nodes.
func (w *world) rollOut(d map[string]any, revision string) {
	namespace := meta(d)["namespace"]
	number := 0
	_, _ = fmt.Sscan(revision, &number)
	labels := map[string]any{nameLabel: DaemonSet, managedLabel: program, revisionLabel: "hash-" + revision}
	w.objects["ControllerRevision||"+revision] = map[string]any{
		"kind": "ControllerRevision", "revision": number, "metadata": map[string]any{"name": revision, "labels": labels},
	}
	var nodes list[node]
	text, err := os.ReadFile(filepath.Join("testdata/nodes", w.nodes+".json"))
	if err == nil {
		err = json.Unmarshal(text, &nodes)
	}
	if err != nil {
		w.t.Error(err)
	}
	template := d["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	for _, n := range nodes.Items {
		spec := maps.Clone(template)
		spec["nodeName"] = n.Metadata.Name
		p := map[string]any{
			"kind": "Pod", "metadata": map[string]any{
				"name": "daemon-" + n.Metadata.Name, "namespace": namespace, "labels": labels, "uid": "uid-pod",
				"ownerReferences": []any{map[string]any{"kind": "DaemonSet"}},
			}, "spec": spec, "status": map[string]any{"phase": "Running", "conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
		}
		if w.broken != "" {
			p["status"] = map[string]any{"phase": "Running", "containerStatuses": []any{
				map[string]any{
					"state":     map[string]any{"waiting": map[string]any{"reason": w.broken, "message": "back-off 10s"}},
					"lastState": map[string]any{"terminated": map[string]any{"exitCode": 1, "reason": "Error", "message": "the kubelet kept this\n"}},
				},
			}}
		}
		w.objects[key(p)] = p
	}
}

func (w *world) apply(manifest string) ([]byte, error) {
	decoder := yaml.NewDecoder(strings.NewReader(manifest))
	var items []any
	for {
		var o map[string]any
		if decoder.Decode(&o) != nil {
			return w.print(map[string]any{"kind": "List", "items": items})
		}
		items = append(items, w.put(o))
	}
}

func (w *world) create(manifest string) ([]byte, error) {
	var o map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &o); err != nil {
		return nil, err
	}
	w.put(o)
	o["status"] = map[string]any{"phase": w.phase, "initContainerStatuses": []any{
		map[string]any{"state": map[string]any{"terminated": map[string]any{"message": w.failed}}},
	}}
	return w.print(o)
}

func (w *world) delete(stdin string) ([]byte, error) {
	var all struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(stdin), &all); err != nil {
		return nil, err
	}
	for _, o := range all.Items {
		delete(w.objects, key(o))
		namespace := meta(o)["namespace"]
		for k, other := range w.objects {
			switch {
			case o["kind"] == "Namespace" && meta(other)["namespace"] == meta(o)["name"]:
				delete(w.objects, k)
			case o["kind"] == "DaemonSet" && other["kind"] == "Pod" && meta(other)["ownerReferences"] != nil && meta(other)["namespace"] == namespace:
				other["orphan"] = true
			}
		}
	}
	return nil, nil
}

// commands are those that contain one of the parts, and are no questions.
func (w *world) commands(parts ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.ran), func(c string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(c, p) })
	})
}

// changes are the commands that change something.
func (w *world) changes() []string {
	return w.commands(" apply ", " create ", " delete ", " load ", " import ")
}

// left are the keys of what has our label.
func (w *world) left() []string {
	var all []string
	for k, o := range w.objects {
		if labels, ok := meta(o)["labels"].(map[string]any); ok && labels[managedLabel] == program && o["kind"] != "ControllerRevision" {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return all
}

// manifest makes few objects with all that counts.
type manifest struct {
	config string
	user   int64
}

func (m manifest) object(kind, api, namespace, name, more string) string {
	in := ""
	if namespace != "" {
		in = "\n  namespace: " + namespace
	}
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata:\n  name: %s%s\n  labels: {%s: %s, %s: %s}\n%s", api, kind, name, in, nameLabel, DaemonSet, managedLabel, program, more)
}

func (m manifest) Objects(r Rendered) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(m.object("Namespace", "v1", "", r.Namespace, ""))
	b.WriteString(m.object("ClusterRole", "rbac.authorization.k8s.io/v1", "", DaemonSet, ""))
	b.WriteString(m.object("ConfigMap", "v1", r.Namespace, "config", "data: {config.yaml: '"+m.config+"'}\n"))
	b.WriteString(m.object("Secret", "v1", r.Namespace, "keys", "stringData: {credentials: hidden-key}\n"))
	b.WriteString(m.object("DaemonSet", "apps/v1", r.Namespace, DaemonSet, fmt.Sprintf(
		"spec: {template: {metadata: {annotations: {sum: '%s'}}, spec: {securityContext: {fsGroup: %d}, containers: [{name: daemon, image: '%s', imagePullPolicy: %s}]}}}\n",
		m.config, m.user, r.Image, r.PullPolicy)))
	return b.Bytes(), nil
}

func (m manifest) Probe(r Rendered, node string) ([]byte, error) {
	return []byte(m.object("Pod", "v1", r.Namespace, "probe-"+node, "spec: {nodeName: "+node+"}\n")), nil
}

func (m manifest) Cleanup(r Rendered, node string) ([]byte, error) {
	return []byte(m.object("Pod", "v1", r.Namespace, "cleanup-"+node, fmt.Sprintf(
		"spec: {nodeName: %s, containers: [{image: '%s', imagePullPolicy: %s, securityContext: {runAsUser: %d}}]}\n", node, r.Image, r.PullPolicy, r.User))), nil
}

// laptop is a machine with one address and no socket.
func laptop() Machine {
	return Machine{
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10")},
		Getenv:    func(string) string { return "" }, Answers: func(string) bool { return false },
	}
}

// options are those of an amd64 program of Linux.
func options(w *world, out *testutil.Buffer) Options {
	return Options{
		Runner: w, Machine: laptop(), Manifest: manifest{config: "one"}, Out: out, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Image: Image{Tag: tag, Arch: "amd64", Write: func(out io.Writer) error {
			_, err := io.WriteString(out, "the archive")
			return err
		}},
	}
}

func newCluster(t *testing.T, opt Options) *Cluster {
	t.Helper()
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantError compares the whole text of an error.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}
