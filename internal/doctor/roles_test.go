package doctor

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const webARN = "arn:aws:iam::123456789012:role/web"

// examined is a doctor that has loaded a configuration.
func examined(t *testing.T, text string) *doctor {
	t.Helper()
	testutil.Write(t, "conf/config.yaml", text)
	loaded, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return &doctor{opt: options("127.0.0.1:5000"), loaded: loaded}
}

// texts are a finding and those after it, a line each.
func texts(f *Finding) string {
	var all strings.Builder
	for ; f != nil; f = f.also {
		for _, line := range f.Lines() {
			fmt.Fprintf(&all, "%s %s\n", f.Mark, times.ReplaceAllString(line, "TIME"))
		}
	}
	return all.String()
}

func TestRoles_EachIsTriedOnce(t *testing.T) {
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	testutil.Write(t, ".aws/credentials", profile(sts.AddUser("developer")))
	sts.AddRole(webARN)
	d := examined(t, realConfig+`roles:
  web: {iam_role: `+webARN+`}
  same: {iam_role: `+webARN+`}
  own: {iam_role: ""}
  absent: {iam_role: arn:aws:iam::123456789012:role/absent}
  careful: {iam_role: `+webARN+`, mfa_serial: `+mfaDevice+`}
  lost: {source_profile: lost}
  made-up: {mock: true}
`)
	got := d.examineRoles(t.Context())
	const want = `FAIL absent: profile "default" may not assume arn:aws:iam::123456789012:role/absent (AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/absent); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it; if it asks for MFA, set roles.absent.mfa_serial
FAIL lost: profile "lost" is in neither of {DIR}/.aws/config, {DIR}/.aws/credentials; create it (aws configure --profile lost) or name another one in roles.lost.source_profile
note careful: a code of the MFA device arn:aws:iam::123456789012:mfa/developer is needed, which the daemon asks for; to try one: mock-ec2-metadata check --credentials
note made-up: credentials are made up (credentials.mock), and no AWS service accepts them
ok own: clients are profile "default" until TIME
ok same: clients are arn:aws:sts::123456789012:assumed-role/web/i-0123456789abcdef0 until TIME
ok web: clients are arn:aws:sts::123456789012:assumed-role/web/i-0123456789abcdef0 until TIME
`
	if diff := cmp.Diff(strings.ReplaceAll(want, "{DIR}", os.Getenv("HOME")), texts(&got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := sts.Calls("AssumeRole"); n != 2 {
		t.Errorf("%d calls for the roles absent, and web and same together", n)
	}
}

func TestRoles_ManyAreNotAllTried(t *testing.T) {
	testutil.IsolateHome(t)
	var roles strings.Builder
	for i := range 23 {
		fmt.Fprintf(&roles, "  r%02d: {}\n", i)
	}
	d := examined(t, "credentials: {mock: true, iam_role: '"+roleARN+"'}\nroles:\n"+roles.String())
	got := strings.Split(strings.TrimSpace(texts(new(d.examineRoles(t.Context())))), "\n")
	if len(got) != 21 || !strings.HasPrefix(got[19], "note r19: ") || got[20] != "note and 3 more: mock-ec2-metadata check --credentials" {
		t.Errorf("%d lines:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestDoctor_HasStepsOnlyForWhatIsConfigured(t *testing.T) {
	testutil.IsolateHome(t)
	d := examined(t, "credentials: {mock: true, iam_role: '"+roleARN+"'}\n")
	if n := count(d.steps()); n != 12 {
		t.Errorf("%d steps without roles and containers", n)
	}
	d = examined(t, "credentials: {mock: true, iam_role: '"+roleARN+"'}\nroles: {web: {}}\ncontainers: {engine: unix:///run/e.sock, allow: [web]}\n")
	if n := count(d.steps()); n != 14 {
		t.Errorf("%d steps with them", n)
	}
	d.loaded = nil
	if n := count(d.steps()); n != 12 {
		t.Errorf("%d steps when the configuration is wrong", n)
	}
}

func TestContainers_SaysWhyTheEngineDoesNotAnswer(t *testing.T) {
	dir, err := os.MkdirTemp("", "engine") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	testutil.IsolateHome(t)
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, socket string)
		mark    Mark
		want    string // {E} stands for the engine's URL
	}{
		{name: "answers", prepare: serveEngine("OK"), mark: OK, want: "{E} answers"},
		{
			name: "another", prepare: serveEngine("hello"), mark: Fail,
			want: "what listens at {E} does not answer as a container engine does (200 OK); set containers.engine to the engine's socket",
		},
		{
			name: "absent", prepare: func(*testing.T, string) {}, mark: Fail,
			want: "{E}: there is no such socket; start the engine (sudo systemctl start docker), or set containers.engine to its socket (Podman: unix:///run/podman/podman.sock as root, else unix:///run/user/UID/podman/podman.sock)",
		},
		{
			name: "left behind", mark: Fail,
			prepare: func(t *testing.T, socket string) {
				l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
				if err != nil {
					t.Fatal(err)
				}
				l.SetUnlinkOnClose(false)
				_ = l.Close()
			},
			want: "{E}: nothing listens at this socket; start the engine (sudo systemctl start docker), or set containers.engine to its socket (Podman: unix:///run/podman/podman.sock as root, else unix:///run/user/UID/podman/podman.sock)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "")+".sock")
			tt.prepare(t, socket)
			d := examined(t, "containers: {engine: 'unix://"+socket+"', role: []}\n")
			got := d.examineContainers(t.Context())
			want := Finding{Mark: tt.mark, Text: strings.ReplaceAll(tt.want, "{E}", "unix://"+socket)}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(Finding{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEngineFailure_NamesTheUserWithoutPermission(t *testing.T) {
	got := engineFailure("unix:///e.sock", os.ErrPermission)
	want := "unix:///e.sock: the user " + userName() + " may not use this socket; add the user to its group (Docker: sudo usermod -aG docker " + userName() +
		", then log in again), or run the daemon as a user who may"
	if got.Mark != Fail || got.Text != want {
		t.Errorf("%+v\nwant %s", got, want)
	}
}

// serveEngine answers every request at a socket.
func serveEngine(body string) func(t *testing.T, socket string) {
	return func(t *testing.T, socket string) {
		t.Helper()
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, body) })}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { _ = s.Close() })
	}
}
