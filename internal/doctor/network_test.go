package doctor

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/sdkenv"
	"mock-ec2-metadata/internal/testutil"
)

// TestDoctor_FollowsTheNetwork has the embedded default, and different things where the daemon should be.
func TestDoctor_FollowsTheNetwork(t *testing.T) {
	const head = `ok    configuration  embedded default
note  profile        not used: credentials are made up (credentials.mock); no AWS service accepts them; for real ones copy conf/sample-config.yaml to conf/config.yaml and set credentials.source_profile and credentials.iam_role
skip  credentials    not tried: credentials.mock is set
skip  identity       not tried: credentials.mock is set
skip  role           not tried: credentials.mock is set
skip  clock          not tried: credentials.mock is set
`
	const (
		up    = "ok    listener       the daemon at http://{ADDR}/ serves i-0123456789abcdef0 with role mock-role (embedded default)\n"
		guard = "ok    guard          {ADDR}: only this machine can reach that\n"
		tell  = "export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://{ADDR}/"
	)
	testutil.IsolateHome(t)
	daemon, another := start(t), start(t)
	page := func(code int, server string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", server)
			if r.Method == http.MethodPut && server == "EC2ws" {
				w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
				return
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte(`{"status": "ok"}`))
		}))
		t.Cleanup(s.Close)
		return s.URL + "/"
	}
	program, ec2, locked := page(http.StatusOK, "Program/1.0"), page(http.StatusNotFound, "EC2ws"), page(http.StatusUnauthorized, "EC2ws")
	nothing := "http://" + testutil.FreeAddr(t) + "/"
	none := testutil.FreeAddr(t)
	silent := func() string { // reads, and hangs up
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = http.ReadRequest(bufio.NewReader(conn)) // unread, it would be reset
				_ = conn.Close()
			}
		}()
		return l.Addr().String()
	}()

	for _, tt := range []struct {
		name    string
		listen  string
		service service
		set     []string
		want    string // {ADDR} stands for listen, {OTHER} for the service's address
	}{
		{
			name: "redirected", listen: host(daemon), service: service{url: daemon},
			want: head + up + guard + "ok    redirect       {OTHER} leads to the daemon\n",
		},
		{
			name: "not redirected", listen: host(daemon), service: service{url: nothing},
			want: head + up + guard + "note  redirect       nothing answers at {OTHER}status: dial tcp {HOST}: connect: connection refused; this machine is not redirected, so tell SDKs: " + tell + " (or for all clients: sudo mock-ec2-metadata serve --link-local; in virtual machines: nat.sh)\n",
		},
		{
			name: "redirected to another daemon", listen: host(daemon), service: service{url: another},
			want: head + up + guard + "FAIL  redirect       {OTHER} leads to another mock-ec2-metadata, i-0123456789abcdef0 with role mock-role (embedded default), than the one at http://{ADDR}/; stop that, or tell SDKs: " + tell + "\n",
		},
		{
			name: "redirected to a program", listen: host(daemon), service: service{url: program},
			want: head + up + guard + `FAIL  redirect       {OTHER}status answers 200 OK, but not as mock-ec2-metadata does (it is "Program/1.0"); stop that, remove what redirects {OTHER} to it, or tell SDKs: ` + tell + "\n",
		},
		{
			name: "on EC2", listen: host(daemon), service: service{url: ec2},
			want: head + up + guard + "FAIL  redirect       {OTHER} is a real EC2 metadata service: clients here get that machine's own role; tell SDKs: " + tell + "\n",
		},
		{
			name: "on EC2 that wants tokens", listen: host(daemon), service: service{url: locked},
			want: head + up + guard + "FAIL  redirect       {OTHER} is a real EC2 metadata service: clients here get that machine's own role; tell SDKs: " + tell + "\n",
		},
		{
			name: "told", listen: host(daemon), service: service{url: daemon, told: true},
			want: head + up + guard + "ok    redirect       {OTHER} (AWS_EC2_METADATA_SERVICE_ENDPOINT) leads to the daemon\n",
		},
		{
			name: "told without a slash", listen: host(daemon), service: service{url: strings.TrimSuffix(daemon, "/"), told: true},
			want: head + up + guard + "note  redirect       {OTHER} (AWS_EC2_METADATA_SERVICE_ENDPOINT) leads to the daemon, but some versions of the AWS CLI want a slash at the end: " + tell + "\n",
		},
		{
			name: "told wrong", listen: host(daemon), service: service{url: nothing, told: true},
			want: head + up + guard + "FAIL  redirect       AWS_EC2_METADATA_SERVICE_ENDPOINT tells SDKs to ask there, but nothing answers at {OTHER}status: dial tcp {HOST}: connect: connection refused; " + tell + "\n",
		},
		{
			name: "told nonsense", listen: host(daemon), service: service{url: "127.0.0.1:5000", told: true},
			want: head + up + guard + `FAIL  redirect       AWS_EC2_METADATA_SERVICE_ENDPOINT="127.0.0.1:5000" is no http:// address; ` + tell + "\n",
		},
		{
			name: "no daemon", listen: none, service: service{url: nothing},
			want: head + "FAIL  listener       nothing answers at http://{ADDR}/status: dial tcp {ADDR}: connect: connection refused; start the daemon, with the same flags: mock-ec2-metadata serve\n" + guard +
				"note  redirect       nothing answers at {OTHER}status: dial tcp {HOST}: connect: connection refused; this machine is not redirected, so tell SDKs: " + tell + " (or for all clients: sudo mock-ec2-metadata serve --link-local; in virtual machines: nat.sh)\n",
		},
		{
			name: "no daemon but one behind the redirect", listen: none, service: service{url: another},
			want: head + "FAIL  listener       nothing answers at http://{ADDR}/status: dial tcp {ADDR}: connect: connection refused; start the daemon, with the same flags: mock-ec2-metadata serve\n" + guard +
				"note  redirect       {OTHER} leads to a mock-ec2-metadata, i-0123456789abcdef0 with role mock-role (embedded default), but not to one at http://{ADDR}/\n",
		},
		{
			name: "another program on the port", listen: host(program), service: service{url: daemon},
			want: head + `FAIL  listener       http://{ADDR}/status answers 200 OK, but not as mock-ec2-metadata does (it is "Program/1.0"); stop it, or choose another address with --listen` + "\n" + guard +
				"note  redirect       {OTHER} leads to a mock-ec2-metadata, i-0123456789abcdef0 with role mock-role (embedded default), but not to one at http://{ADDR}/\n",
		},
		{
			name: "no web server on the port", listen: silent, service: service{url: daemon},
			want: head + `FAIL  listener       what listens at http://{ADDR}/status does not answer as mock-ec2-metadata does: EOF; stop it, or choose another address with --listen` + "\n" + guard +
				"note  redirect       {OTHER} leads to a mock-ec2-metadata, i-0123456789abcdef0 with role mock-role (embedded default), but not to one at http://{ADDR}/\n",
		},
		{
			name: "any port", listen: "127.0.0.1:0", service: service{url: daemon},
			want: head + "skip  listener       not tried: {ADDR} is any free port, and only the daemon's log says which; name it by --listen\n" + guard +
				"note  redirect       {OTHER} leads to a mock-ec2-metadata, i-0123456789abcdef0 with role mock-role (embedded default), but not to one at http://127.0.0.1:5000/\n",
		},
		{
			name: "all interfaces", listen: "0.0.0.0" + strings.TrimPrefix(host(daemon), "127.0.0.1"), service: service{url: daemon},
			set: []string{"server.allow_clients=[192.0.2.0/24]"},
			want: head + strings.ReplaceAll(up, "{ADDR}", "{HOST}") +
				"ok    guard          {ADDR}: the metadata and made-up credentials for: this machine, and 192.0.2.0/24\n" +
				"ok    redirect       {OTHER} leads to the daemon\n",
		},
		{
			name: "another configuration", listen: host(daemon), service: service{url: daemon}, set: []string{"ec2.instance_id=i-00000000000000001"},
			want: head + "note  listener       the daemon at http://{ADDR}/ serves i-0123456789abcdef0 with role mock-role (embedded default), but this configuration is of i-00000000000000001 with role mock-role (embedded default); run doctor where the daemon was started, or with its --config and flags, or restart the daemon with these\n" +
				guard + "ok    redirect       {OTHER} leads to the daemon\n",
		},
		{
			name: "wrong configuration", listen: host(daemon), service: service{url: daemon}, set: []string{"log.level=loud", "log.access=perhaps"},
			want: `
FAIL  configuration  --set log.level: "loud" is not one of debug, info, warn, error
FAIL  configuration  --set log.access: "perhaps" is neither true nor false
skip  profile        not tried: configuration failed
skip  credentials    not tried: configuration failed
skip  identity       not tried: configuration failed
skip  role           not tried: configuration failed
skip  clock          not tried: configuration failed
ok    listener       the daemon at http://{ADDR}/ serves i-0123456789abcdef0 with role mock-role (embedded default)
skip  guard          not tried: configuration failed
ok    redirect       {OTHER} leads to the daemon
`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := consult(t, tt.service, tt.listen, tt.set...)
			got.want(t, tt.want, "{ADDR}", tt.listen, "{OTHER}", tt.service.url, "{HOST}", host(tt.service.url))
		})
	}
}

const editedConfig = "credentials: {mock: true, iam_role: '" + roleARN + "'}\n"

// TestDoctor_NamesKeysThatNeedARestart changes the format of the log under a running daemon.
func TestDoctor_NamesKeysThatNeedARestart(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", editedConfig+"log: {format: json}\n")
	url := start(t)
	testutil.Write(t, "conf/config.yaml", editedConfig+"log: {format: text}\n")
	testutil.Eventually(t, "a restart is needed", func() bool { return len(status(t, url).Config.NeedsRestart) > 0 })
	got := consult(t, service{url: url}, host(url))
	got.text = strings.Join(strings.SplitAfter(got.text, "\n")[6:], "") // listener, guard, redirect
	got.want(t, `
note  listener       the daemon at {URL} serves i-0123456789abcdef0 with role myrole (conf/config.yaml); restart it, since these keys changed: log.format
ok    guard          {ADDR}: only this machine can reach that
ok    redirect       {URL} leads to the daemon
`, "{URL}", url, "{ADDR}", host(url))
}

// TestDoctor_ShowsTheProblemsOfAReload has a file that became wrong under a running daemon.
func TestDoctor_ShowsTheProblemsOfAReload(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", editedConfig)
	url := start(t)
	testutil.Write(t, "conf/config.yaml", editedConfig+"log:\n  level: loud\n  access: perhaps\n")
	testutil.Eventually(t, "the reload fails", func() bool { return status(t, url).Config.Error != "" })
	consult(t, service{url: url}, host(url)).want(t, `
FAIL  configuration  conf/config.yaml:3: log.level: "loud" is not one of debug, info, warn, error
FAIL  configuration  conf/config.yaml:4: log.access: "perhaps" is neither true nor false
skip  profile        not tried: configuration failed
skip  credentials    not tried: configuration failed
skip  identity       not tried: configuration failed
skip  role           not tried: configuration failed
skip  clock          not tried: configuration failed
FAIL  listener       the daemon at {URL} is degraded: conf/config.yaml:3: log.level: "loud" is not one of debug, info, warn, error
FAIL  listener       the daemon at {URL} is degraded: conf/config.yaml:4: log.access: "perhaps" is neither true nor false
skip  guard          not tried: configuration failed
ok    redirect       {URL} leads to the daemon
`, "{URL}", url)
}

// TestDoctor_GuardIsOfTheDaemonThatRuns has a file that names another address than the one that the daemon was started with.
func TestDoctor_GuardIsOfTheDaemonThatRuns(t *testing.T) {
	testutil.IsolateHome(t)
	loaded, err := config.Load(config.Sources{Set: []string{"server.listen=0.0.0.0:5001"}})
	if err != nil {
		t.Fatal(err)
	}
	const found = "127.0.0.1:5000"
	d := &doctor{loaded: loaded, found: found, daemon: new(api.Status)}
	if got, want := d.examineGuard(t.Context()).Text, found+": only this machine can reach that"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestServiceOf_ReadsTheVariable(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    service
	}{
		{"unset", nil, service{url: "http://169.254.169.254/"}},
		{"empty", []string{sdkenv.EndpointVariable + "="}, service{url: "http://169.254.169.254/"}},
		{"set", []string{sdkenv.EndpointVariable + "=http://127.0.0.1:5000/"}, service{url: "http://127.0.0.1:5000/", told: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := serviceOf(tt.environ); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
