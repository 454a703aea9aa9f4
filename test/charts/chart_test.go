package charts

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	yamlv3 "gopkg.in/yaml.v3"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"
)

const chartDir = deploy + "/helm/mock-ec2-metadata"

// kubeVersion is one of a cluster to render for.
var kubeVersion = chartutil.KubeVersion{Version: "v1.34.4", Major: "1", Minor: "34"}

// rendered is what helm install would create, and the hooks.
type rendered struct {
	objects map[string]object
	hooks   []*release.Hook
	notes   string
}

// render does what helm template does. The error is that of the values' schema.
func render(t *testing.T, namespace string, values map[string]any) (*rendered, error) {
	t.Helper()
	return renderChart(t, chartDir, namespace, values)
}

// renderChart does the same with the chart of a directory.
func renderChart(t *testing.T, dir, namespace string, values map[string]any) (*rendered, error) {
	t.Helper()
	chart, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	caps := chartutil.DefaultCapabilities.Copy()
	caps.KubeVersion = kubeVersion
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "any-name", Namespace: namespace, Revision: 1, IsInstall: true}, caps)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		t.Fatal(err)
	}
	r := &rendered{}
	for name, text := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			r.notes = text
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, caps.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, m := range manifests {
		text.WriteString("\n---\n" + m.Content)
	}
	r.objects, r.hooks = parse(t, []byte(text.String())), hooks
	return r, nil
}

// valuesOf are the values of a case.
func valuesOf(t *testing.T, name string) map[string]any {
	t.Helper()
	values := map[string]any{}
	if name != "default" {
		if err := yaml.UnmarshalStrict(read(t, "testdata/"+name+".yaml"), &values); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

// mustRender renders the values of a case.
func mustRender(t *testing.T, name, namespace string) *rendered {
	t.Helper()
	r, err := render(t, namespace, valuesOf(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ofHelm are the objects as a chart has them: managed by Helm, and without the namespace, which exists before a release.
func ofHelm(t *testing.T, text []byte) (all map[string]object, namespace string) {
	t.Helper()
	all = parse(t, []byte(strings.ReplaceAll(string(text), "app.kubernetes.io/managed-by: mock-ec2-metadata-kube", "app.kubernetes.io/managed-by: Helm")))
	for key, o := range all {
		if o.kind() == "Namespace" {
			namespace, _ = o.at("metadata", "name").(string)
			delete(all, key)
		}
	}
	return all, namespace
}

func TestChart_HasTheObjectsOfTheSource(t *testing.T) {
	for name, file := range cases(t) {
		t.Run(name, func(t *testing.T) {
			want, namespace := ofHelm(t, read(t, file))
			if diff := cmp.Diff(want, mustRender(t, name, namespace).objects); diff != "" {
				t.Errorf("the chart (+) differs from internal/manifest (-):\n%s", diff)
			}
		})
	}
}

func TestChart_LintFindsNothing(t *testing.T) { lintChart(t, chartDir) }

// lintChart does what helm lint --strict does, with the values of each case.
func lintChart(t *testing.T, dir string) {
	for name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			for _, m := range lint.AllWithKubeVersion(dir, valuesOf(t, name), "aws", &kubeVersion).Messages {
				if m.Severity > support.InfoSev {
					t.Error(m)
				}
			}
		})
	}
}

func TestChart_SchemaRefusesWrongValues(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"hostPid: false", "hostPid"},
		{"image: {repository: r, tag: 1, pullPolicy: Always}", "/image/tag"},
		{"credentials: {from: vault}", "/credentials/from"},
		{"credentials: {from: mount}", "/credentials/mountPath"},
		{"credentials: {from: secret, secretName: ''}", "/credentials/secretName"},
		{"user: 0", "/user"},
		{"networkPolicy: {namespaces: shop}", "/networkPolicy/namespaces"},
	} {
		t.Run(test.values, func(t *testing.T) {
			values := map[string]any{}
			if err := yaml.Unmarshal([]byte(test.values), &values); err != nil {
				t.Fatal(err)
			}
			if _, err := render(t, "aws", values); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error about %s", err, test.want)
			}
		})
	}
}

func TestChart_NotesSayWhereCredentialsComeFrom(t *testing.T) {
	for name, want := range map[string]string{"default": "your laptop", "secret": "create secret generic ci-keys", "mock": "made up"} {
		if notes := mustRender(t, name, "aws").notes; !strings.Contains(notes, want) || !strings.Contains(notes, "--namespace aws") {
			t.Errorf("%s: the notes lack %q:\n%s", name, want, notes)
		}
	}
}

// uncommented are the paths of the values without a comment above them.
func uncommented(values *yamlv3.Node, path string) []string {
	var all []string
	for i := 0; i < len(values.Content); i += 2 {
		key, value := values.Content[i], values.Content[i+1]
		at := path + "/" + key.Value
		switch {
		case value.Kind == yamlv3.MappingNode && len(value.Content) > 0:
			all = append(all, uncommented(value, at)...)
		case key.HeadComment == "":
			all = append(all, at)
		}
	}
	return all
}

func TestChart_EveryValueHasAComment(t *testing.T) {
	var doc yamlv3.Node
	if err := yamlv3.Unmarshal(read(t, chartDir+"/values.yaml"), &doc); err != nil {
		t.Fatal(err)
	}
	if missing := uncommented(doc.Content[0], ""); len(missing) > 0 {
		t.Errorf("no comment above %q", missing)
	}
}

// hooksOf returns the objects of the hooks in the order in which Helm creates them.
func hooksOf(t *testing.T, r *rendered) []object {
	t.Helper()
	hooks := slices.Clone(r.hooks)
	slices.SortStableFunc(hooks, func(a, b *release.Hook) int { return a.Weight - b.Weight })
	var all []object
	for _, h := range hooks {
		all = append(all, slices.Collect(maps.Values(parse(t, []byte(h.Manifest))))...)
	}
	return all
}

// Helm waits for Jobs, not for DaemonSets, so the Job must be the last.
func TestChart_CleanupRunsAfterTheReleaseAndLeavesNothing(t *testing.T) {
	r := mustRender(t, "default", "aws")
	for _, h := range r.hooks {
		if !slices.Equal(h.Events, []release.HookEvent{release.HookPostDelete}) {
			t.Errorf("%s runs at %v", h.Kind, h.Events)
		}
		for _, policy := range []release.HookDeletePolicy{release.HookBeforeHookCreation, release.HookSucceeded, release.HookFailed} {
			if !slices.Contains(h.DeletePolicies, policy) {
				t.Errorf("%s is not deleted at %s", h.Kind, policy)
			}
		}
	}
	var kinds []string
	for _, o := range hooksOf(t, r) {
		kinds = append(kinds, o.kind())
	}
	if got := strings.Join(kinds, " "); !strings.HasSuffix(got, "DaemonSet Job") || len(kinds) != 5 {
		t.Errorf("hooks %s", got)
	}
}

func TestChart_CleanupDoesOnEachNodeWhatThePodOfDownDoes(t *testing.T) {
	var pod, set object
	for _, o := range parse(t, read(t, golden+"/oneshot.yaml")) {
		if o.kind() == "Pod" && o.at("metadata", "labels", "app.kubernetes.io/component") == "cleanup" {
			pod = o
		}
	}
	for _, o := range hooksOf(t, mustRender(t, "default", "mock-ec2-metadata")) {
		if o.kind() == "DaemonSet" {
			set = o
		}
	}
	steps := func(list ...any) (all []any) {
		for _, l := range list {
			l, _ := l.([]any)
			all = append(all, l...)
		}
		return all
	}
	want := steps(pod.at("spec", "initContainers"), pod.at("spec", "containers"))
	if diff := cmp.Diff(want, set.at("spec", "template", "spec", "initContainers")); diff != "" || len(want) != 2 {
		t.Errorf("the chart's steps (+) differ from those of the pod (-):\n%s", diff)
	}
	for _, key := range []string{"volumes", "hostNetwork", "securityContext", "tolerations", "automountServiceAccountToken"} {
		if diff := cmp.Diff(pod.at("spec", key), set.at("spec", "template", "spec", key)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}

func TestChart_CleanupCanBeOff(t *testing.T) {
	r, err := render(t, "aws", map[string]any{"cleanup": map[string]any{"enabled": false}})
	if err != nil || len(r.hooks) > 0 {
		t.Errorf("%d hooks, %v", len(r.hooks), err)
	}
}
