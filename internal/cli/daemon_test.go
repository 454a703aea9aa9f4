package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	roleARN   = "arn:aws:iam::123456789012:role/myrole"
	mfaDevice = "arn:aws:iam::123456789012:mfa/developer"

	// realConfig gets credentials of roleARN from STS, mockConfig makes them up.
	realConfig = "credentials:\n  source_profile: default\n  iam_role: " + roleARN + "\n"
	mockConfig = "credentials: {mock: true, iam_role: '" + roleARN + "'}\n"
)

// running is a serve command that runs within this process.
type running struct {
	url  string // with a slash at the end
	log  *testutil.Buffer
	stop func() int // waits for the command, and returns its exit code
}

// start runs serve on a free port until the test ends, with a log in JSON at debug level.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	return startWith(t, append([]string{"--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug"}, args...))
}

// servingLine says where the daemon serves, in either format of the log.
var servingLine = regexp.MustCompile(`msg"?[=:]"?serving"? ?,?"?url"?[=:]"?([^" ]+)`)

// startWith runs a command line that serves until the test ends.
func startWith(t *testing.T, args []string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &running{log: new(testutil.Buffer)}
	stderr := new(testutil.Buffer)
	ended := make(chan int, 1)
	go func() { ended <- Run(ctx, commandLine(os.Environ(), d.log, stderr, args...)) }()
	d.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() {
		if code := d.stop(); code != 0 {
			t.Errorf("the daemon ended with code %d\n%s%s", code, stderr, d.log)
		}
	})
	testutil.Eventually(t, "the daemon serves", func() bool {
		line := servingLine.FindStringSubmatch(d.log.String())
		if line != nil {
			d.url = line[1]
		}
		return line != nil || stderr.String() != ""
	})
	if d.url == "" {
		t.Fatalf("the daemon does not serve: %s%s", stderr, d.log)
	}
	return d
}

// commandLine is this process with other arguments and outputs.
func commandLine(environ []string, stdout, stderr io.Writer, args ...string) Process {
	return Process{Args: args, Environ: environ, Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Version: "test"}
}

// ran is a command that has ended.
type ran struct {
	code           int
	stdout, stderr string
}

// run runs a command line within this process.
func run(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr testutil.Buffer
	code := Run(t.Context(), commandLine(os.Environ(), &stdout, &stderr, args...))
	return ran{code, stdout.String(), stderr.String()}
}

// get sends a GET; path has no slash at the start.
func (d *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(d.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// status reads the /status page.
func (d *running) status(t *testing.T) api.Status {
	t.Helper()
	code, body := d.get(t, "status")
	var s api.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("/status: %d %s: %v", code, body, err)
	}
	return s
}

// wantLog waits until the log contains a text.
func (d *running) wantLog(t testing.TB, text string) {
	t.Helper()
	testutil.Eventually(t, "the log contains "+text, func() bool { return d.log.Contains(text) })
}

// host is the address in a URL.
func host(url string) string { return strings.Trim(strings.TrimPrefix(url, "http://"), "/") }

// isolate gives the test an empty home, and a directory for control sockets whose path is short enough for them.
func isolate(t *testing.T) string {
	t.Helper()
	home := testutil.IsolateHome(t)
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	return home
}

// alone skips a test that looks for all daemons of this user if one runs beside the tests.
func alone(t *testing.T) {
	t.Helper()
	sockets, _ := filepath.Glob("/run/mock-ec2-metadata/*.sock")
	for _, socket := range sockets {
		if c, err := net.Dial("unix", socket); err == nil {
			_ = c.Close()
			t.Skipf("a daemon of this machine has the control socket %s, which would be found too", socket)
		}
	}
}

// profileFile is a default profile with a key.
func profileFile(key stsfake.Key) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey)
}

// startSTS serves a fake STS with a user, whose key is in the default profile of an isolated home, until the test ends.
func startSTS(t *testing.T) (*stsfake.Server, stsfake.Key) {
	t.Helper()
	isolate(t)
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	key := sts.AddUser("developer")
	testutil.Write(t, ".aws/credentials", profileFile(key))
	return sts, key
}
