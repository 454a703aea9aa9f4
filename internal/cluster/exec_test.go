package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// The tests of this file run real programs: stubs on the PATH, which note their arguments in $STUB/ran and answer from files of $STUB.

const stubKubectl = `#!/bin/sh
echo "kubectl $*" >> "$STUB/ran"
case "$*" in
config\ view*) echo '{"current-context":"kind-shop","clusters":[{"cluster":{"server":"https://127.0.0.1:6443"}}]}' ;;
get\ nodes*) cat "$STUB/nodes.json" ;;
get\ daemonsets.apps\ --all*) echo '{"items":[{"metadata":{"name":"kindnet","namespace":"kube-system"}}]}' ;;
get\ namespace\ *) echo 'Error from server (NotFound): namespaces "mock-ec2-metadata" not found' >&2; exit 1 ;;
get\ namespaces,*) cat "$STUB/objects.json" ;;
get\ daemonsets.apps,controller*) cat "$STUB/rollout.json" ;;
get\ pods\ *) cat "$STUB/rollout.json" ;;
get\ pod\ *) echo '{"kind":"Pod","metadata":{"name":"probe"},"status":{"phase":"Succeeded"}}' ;;
apply\ *) cat > "$STUB/applied"; cat "$STUB/objects-after.json"; cp "$STUB/objects-after.json" "$STUB/objects.json" ;;
create\ *) cat > "$STUB/created"; echo '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"probe","namespace":"mock-ec2-metadata"}}' ;;
delete\ *) cat > "$STUB/deleted" ;;
exec\ *refuse*) echo 'Error from server (NotFound): pods "refuse" not found' >&2; exit 1 ;;
exec\ *) cat ;;
*) echo "error: unknown command" >&2; exit 1 ;;
esac
`

const stubKind = `#!/bin/sh
echo "kind $*" >> "$STUB/ran"
cat "$3" > "$STUB/image"
`

// stubs puts the programs on the PATH, and returns the folder of their files.
func stubs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("STUB", dir)
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PATH", filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, text := range map[string]string{"kubectl": stubKubectl, "kind": stubKind} {
		if err := os.Chmod(testutil.Write(t, filepath.Join(dir, "bin", name), text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := os.ReadFile("testdata/nodes/kind.json")
	if err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, filepath.Join(dir, "nodes.json"), string(nodes))
	testutil.Write(t, filepath.Join(dir, "objects.json"), `{"items":[]}`)
	const labels = `"labels":{"app.kubernetes.io/name":"mock-ec2-metadata","app.kubernetes.io/managed-by":"mock-ec2-metadata-kube","controller-revision-hash":"h"}`
	testutil.Write(t, filepath.Join(dir, "objects-after.json"), `{"kind":"List","items":[{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":`+
		`{"name":"mock-ec2-metadata","namespace":"mock-ec2-metadata","uid":"u","generation":1,`+labels+`}}]}`)
	testutil.Write(t, filepath.Join(dir, "rollout.json"), `{"items":[
 {"kind":"DaemonSet","metadata":{"generation":1},"status":{"observedGeneration":1}},
 {"kind":"ControllerRevision","revision":1,"metadata":{`+labels+`}},
 {"kind":"Pod","metadata":{"name":"daemon-x","namespace":"mock-ec2-metadata","ownerReferences":[{"kind":"DaemonSet"}],`+labels+`},
  "spec":{"nodeName":"kind-control-plane","containers":[{"name":"daemon","image":"`+tag+`"}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}},
 {"kind":"Pod","metadata":{"name":"refuse","namespace":"mock-ec2-metadata","ownerReferences":[{"kind":"DaemonSet"}]},
  "spec":{"nodeName":"away","containers":[{"name":"daemon"}]},"status":{"phase":"Running"}},
 {"kind":"Pod","metadata":{"name":"new","namespace":"mock-ec2-metadata","ownerReferences":[{"kind":"DaemonSet"}]},
  "spec":{"nodeName":"later"},"status":{"phase":"Pending"}},
 {"kind":"Pod","metadata":{"name":"probe","namespace":"mock-ec2-metadata"},"spec":{"nodeName":"later"},"status":{"phase":"Running"}}]}`)
	return dir
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestUp_RunsRealPrograms(t *testing.T) {
	dir, out := stubs(t), &testutil.Buffer{}
	opt := options(nil, out)
	opt.Runner = Exec{}
	c := newCluster(t, opt)
	if err := c.Up(t.Context(), UpOptions{}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var ran []string
	for _, line := range lines(read(t, dir, "ran")) {
		if strings.HasPrefix(line, "kind ") {
			fields := strings.Fields(line)
			fields[3] = filepath.Base(fields[3])
			line = strings.Join(fields, " ")
		}
		ran = append(ran, strings.TrimSuffix(line, " --context=kind-shop"))
	}
	want := []string{
		"kubectl config view --minify -o json --request-timeout=15s",
		"kubectl get nodes -o json --request-timeout=15s",
		"kubectl get daemonsets.apps --all-namespaces -o json --request-timeout=15s",
		"kubectl get " + ourKinds + " --all-namespaces --selector=app.kubernetes.io/name=mock-ec2-metadata -o json --request-timeout=15s",
		"kind load image-archive mock-ec2-metadata-kube.tar --name kind",
		"kubectl get namespace mock-ec2-metadata -o json --request-timeout=15s",
		"kubectl apply --server-side --force-conflicts --field-manager=mock-ec2-metadata-kube -o json --filename=-",
		"kubectl get daemonsets.apps,controllerrevisions.apps,pods --namespace=mock-ec2-metadata --selector=" + ourLabels + " -o json --request-timeout=15s",
		"kubectl create -o json --request-timeout=15s --filename=-",
		"kubectl get pod probe --namespace=mock-ec2-metadata -o json --request-timeout=15s",
		"kubectl delete --ignore-not-found --wait=false --filename=-",
	}
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Error(diff)
	}
	if read(t, dir, "image") != "the archive" || !strings.Contains(read(t, dir, "applied"), "kind: DaemonSet") ||
		!strings.Contains(read(t, dir, "created"), "name: probe-kind-control-plane") || !strings.Contains(read(t, dir, "deleted"), `"name":"probe"`) {
		t.Error("a program got something else")
	}
	if leftover, _ := filepath.Glob(filepath.Join(os.TempDir(), program+"-*")); len(leftover) > 0 {
		t.Errorf("the archive stays: %v", leftover)
	}
}

func TestStreams_CarryWhatTheRelaySays(t *testing.T) {
	dir := stubs(t)
	opt := options(nil, &testutil.Buffer{})
	opt.Runner = Exec{}
	s := newCluster(t, opt).Streams()
	daemons, err := s.Daemons(t.Context())
	want := []Daemon{{"away", "mock-ec2-metadata/refuse"}, {"kind-control-plane", "mock-ec2-metadata/daemon-x"}}
	if err != nil || !slices.Equal(daemons, want) {
		t.Fatal(daemons, err)
	}
	stream, err := s.Dial(t.Context(), daemons[1])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(stream, `{"id":1}`); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stream).ReadString('\n'); err != nil || line != "{\"id\":1}\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if _, err := stream.Read(make([]byte, 1)); err == nil {
		t.Error("a closed stream can be read")
	}
	if ran := "kubectl exec --namespace=mock-ec2-metadata daemon-x --container=daemon --stdin -- /mock-ec2-metadata-kube relay\n"; !strings.Contains(read(t, dir, "ran"), ran) {
		t.Errorf("it ran %s", read(t, dir, "ran"))
	}
}

func TestStreams_ErrorIsKubectls(t *testing.T) {
	stubs(t)
	opt := options(nil, &testutil.Buffer{})
	opt.Runner = Exec{}
	s := newCluster(t, opt).Streams()
	stream, err := s.Dial(t.Context(), Daemon{Node: "away", Pod: "mock-ec2-metadata/refuse"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(stream)
	wantError(t, err, "kubectl exec --namespace=mock-ec2-metadata refuse --container=daemon --stdin -- /mock-ec2-metadata-kube relay: "+
		`Error from server (NotFound): pods "refuse" not found`)
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

func TestStreams_EndWithTheirContext(t *testing.T) {
	stubs(t)
	opt := options(nil, &testutil.Buffer{})
	opt.Runner = Exec{}
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := newCluster(t, opt).Streams().Dial(ctx, Daemon{Node: "kind-control-plane", Pod: "mock-ec2-metadata/daemon-x"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(stream); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

func TestExec_EndsAProgramThatHangs(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, fmt.Errorf("no answer within 50ms"))
	defer cancel()
	_, err := Exec{}.Run(ctx, Command{Args: []string{"sleep", "60"}})
	wantError(t, err, "no answer within 50ms")
}

func TestExec_BoundsWhatAProgramPrints(t *testing.T) {
	_, err := Exec{}.Run(t.Context(), Command{Args: []string{"sh", "-c", "echo first >&2; head -c 200000 /dev/zero | tr '\\0' x >&2; exit 3"}})
	exit, ok := err.(*ExitError) //nolint:errorlint // it is not wrapped
	if !ok || exit.Code != 3 || len(exit.Stderr) != maxStderr || !strings.HasPrefix(exit.Stderr, "first\n") {
		t.Errorf("%T, %.100v", err, err)
	}
	b := &bounded{limit: 1 << 20}
	if _, err := b.Write(make([]byte, 1<<20+1)); err == nil || err.Error() != "the output is longer than 1 MiB" {
		t.Error(err)
	}
}

// A feed runs for hours, and the user may choose another current context meanwhile.
func TestKubectl_StaysWithTheContextOfItsBeginning(t *testing.T) {
	k := &Kubectl{Command: []string{"minikube", "kubectl", "--"}, found: "mine"}
	for args, want := range map[string]string{
		"get nodes":              "minikube kubectl -- get nodes --context=mine",
		"exec pod -- /x relay":   "minikube kubectl -- exec pod --context=mine -- /x relay",
		"exec pod -i -- sh -- x": "minikube kubectl -- exec pod -i --context=mine -- sh -- x",
	} {
		if got := strings.Join(k.args(strings.Fields(args)...), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := k.Shown(strings.Fields(args)...); strings.Contains(got, "mine") {
			t.Errorf("the user is shown %s", got)
		}
	}
	k.Context = "chosen"
	if got := strings.Join(k.args("get", "nodes"), " "); got != "minikube kubectl -- --context=chosen get nodes" {
		t.Errorf("got %s", got)
	}
}
