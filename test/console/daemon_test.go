package console

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

const (
	account = "123456789012"
	role    = "arn:aws:iam::" + account + ":role/dev-role"
	// webClient is the address of a client that has the role web.
	webClient = "127.0.0.7"
	// container and stranger are addresses elsewhere. allow_clients has the first alone.
	container = "172.30.77.2"
	stranger  = "172.30.77.9"
)

// world says what a daemon of a test is like.
type world struct {
	// more are further blocks of the configuration, and server the keys of the block server.
	more, server string
	// tag, userData and profile are values of the configuration.
	tag, userData, profile string
	// ec2 are further keys of that block.
	ec2 string
	// listen is an address to listen on, if it is to be a certain one.
	listen string
	// mfa has the role want a code. Valid is 123456.
	mfa bool
	// fast has no race detector.
	fast bool
}

// config is the configuration file. Texts go in as JSON, which YAML can read.
func (w world) config(serial string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "credentials:\n  source_profile: %s\n  iam_role: %s\n", quote(w.profile), role)
	if serial != "" {
		fmt.Fprintf(&b, "  mfa_serial: %s\n", serial)
	}
	fmt.Fprintf(&b, "roles:\n  admin:\n    iam_role: %s\n  web:\n    iam_role: %s\n", arn("admin"), arn("web"))
	fmt.Fprintf(&b, "clients:\n  - from: [%s]\n    role: web\n", webClient)
	fmt.Fprintf(&b, "aws:\n  region: ap-southeast-2\nec2:\n  tags:\n    Name: %s\n  user_data: %s\n%s", quote(w.tag), quote(w.userData), w.ec2)
	fmt.Fprintf(&b, "server:\n  console: auto\n  allow_clients: [%s/32]\n%s%s", container, w.server, w.more)
	return b.String()
}

func arn(role string) string { return "arn:aws:iam::" + account + ":role/" + role }

// daemon is a running one, with a home of its own and the fake STS.
type daemon struct {
	t    *testing.T
	w    world
	bin  string
	home string
	file string // of the configuration
	sts  *stsfake.Server
	url  string // of the metadata service, without the slash at the end
	key  stsfake.Key

	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log strings.Builder
}

// start starts a daemon. It ends with the test.
func start(t *testing.T, w world) *daemon {
	t.Helper()
	buildIt := buildRace
	if w.fast {
		buildIt = buildFast
	}
	bin, err := buildIt()
	if err != nil {
		t.Fatal(err)
	}
	if w.profile == "" {
		w.profile = "default"
	}
	if w.tag == "" {
		w.tag = "my-instance"
	}
	d := &daemon{t: t, w: w, bin: bin, sts: stsfake.Start(t)}
	// The path of a socket must be short, unix(7).
	if d.home, err = os.MkdirTemp("", "console-home-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(d.home) })
	d.key = d.sts.AddUser("developer")
	serial := ""
	var trust []stsfake.Trust
	if w.mfa {
		serial = d.sts.SetMFA("developer", "123456")
		trust = append(trust, stsfake.MFA())
	}
	d.sts.AddRole(role, trust...)
	d.sts.AddRole(arn("admin"))
	d.sts.AddRole(arn("web"))
	d.write(".aws/credentials", fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", w.profile, d.key.AccessKeyID, d.key.SecretAccessKey))
	d.file = d.write("conf/config.yaml", w.config(serial))
	d.write("run/.keep", "")
	if err := os.Chmod(filepath.Join(d.home, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.run(cmp.Or(w.listen, "127.0.0.1:0"))
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("the daemon's log:\n%.4000s", d.logged())
		}
	})
	return d
}

func (d *daemon) write(name, content string) string {
	d.t.Helper()
	path := filepath.Join(d.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// edit replaces a text of the configuration file.
func (d *daemon) edit(from, to string) {
	d.t.Helper()
	text, err := os.ReadFile(d.file)
	if err != nil {
		d.t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		d.t.Fatalf("no %q in the configuration:\n%s", from, text)
	}
	d.write("conf/config.yaml", strings.Replace(string(text), from, to, 1))
}

func (d *daemon) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "XDG_RUNTIME_DIR=" + d.home + "/run", "AWS_ENDPOINT_URL_STS=" + d.sts.URL(),
		// Otherwise each run of the program with the race detector ends a second late.
		"GORACE=atexit_sleep_ms=10",
	}
}

// run starts the program at an address and waits until it serves.
func (d *daemon) run(listen string) {
	d.t.Helper()
	cmd := exec.Command(d.bin, "serve", "--listen", listen, "--log-format", "json")
	cmd.Dir, cmd.Env = d.home, d.env()
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	serving := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			d.mu.Lock()
			// Access logs of a test under load are not worth the memory.
			if d.log.Len() < 4<<20 {
				d.log.WriteString(lines.Text() + "\n")
			}
			d.mu.Unlock()
			var line struct{ Msg, URL string }
			if strings.Contains(lines.Text(), `"msg":"serving"`) && json.Unmarshal(lines.Bytes(), &line) == nil {
				serving <- strings.TrimSuffix(line.URL, "/")
			}
		}
		if err := cmd.Wait(); err != nil {
			d.t.Errorf("the daemon ended with %v", err)
		}
	}()
	d.cmd, d.ended = cmd, ended
	select {
	case d.url = <-serving:
	case <-ended:
		d.t.Fatalf("the daemon does not serve:\n%s", d.logged())
	case <-time.After(30 * time.Second):
		d.t.Fatal("the daemon does not serve within 30 s")
	}
}

// stop ends the program by SIGTERM, and waits.
func (d *daemon) stop() {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(15*time.Second, func() { _ = d.cmd.Process.Kill() })
	defer kill.Stop()
	<-d.ended
}

// address is the host and port of the metadata service.
func (d *daemon) address() string { return strings.TrimPrefix(d.url, "http://") }

func (d *daemon) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// command runs the program with the daemon's environment and gives what it prints.
func (d *daemon) command(args ...string) string {
	d.t.Helper()
	ctx, stop := context.WithTimeout(d.t.Context(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, d.bin, args...)
	_, port, _ := net.SplitHostPort(d.address())
	// Root's commands would also find daemons of others on this machine.
	cmd.Dir, cmd.Env = d.home, append(d.env(), "MOCK_EC2_METADATA_CONTROL="+d.home+"/run/mock-ec2-metadata/"+port+".sock")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("%v: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

// login is a new URL with a code, as the command console prints it.
func (d *daemon) login() string {
	d.t.Helper()
	line, _, _ := strings.Cut(d.command("console"), "\n")
	if !strings.HasPrefix(line, "http://127.0.0.1:") || !strings.Contains(line, "/#k=") {
		d.t.Fatalf("console prints %q, not a URL", line)
	}
	return line
}

// origin is that of a URL.
func origin(url string) string {
	before, _, _ := strings.Cut(url, "/#")
	return before
}

// simulation is what the daemon simulates, and how often it has changed.
func (d *daemon) simulation() string {
	d.t.Helper()
	return d.command("event", "list", "--json") + d.command("fault", "list", "--json")
}

// imds asks the metadata service from an address of the loopback, with a Host of its own unless it is empty.
func (d *daemon) imds(from, host, path string) (status int, body string) {
	d.t.Helper()
	return d.send(from, http.MethodGet, host, path, nil)
}

// v2 asks with a session token.
func (d *daemon) v2(from, path string) (status int, body string) {
	d.t.Helper()
	return d.send(from, http.MethodGet, "", path, map[string]string{"X-aws-ec2-metadata-token": d.token(from)})
}

// token is a new session token of the metadata service.
func (d *daemon) token(from string) string {
	d.t.Helper()
	_, token := d.send(from, http.MethodPut, "", "/latest/api/token", map[string]string{"X-aws-ec2-metadata-token-ttl-seconds": "300"})
	return token
}

func (d *daemon) send(from, method, host, path string, headers map[string]string) (status int, body string) {
	d.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
	}}
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Host = host
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, readAll(d.t, res.Body)
}

func readAll(t *testing.T, from io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// metadata is a value below latest that a client must get.
func (d *daemon) metadata(path string) string {
	d.t.Helper()
	status, body := d.imds("127.0.0.1", "", "/latest/"+path)
	if status != http.StatusOK {
		d.t.Fatalf("%s: %d %s", path, status, body)
	}
	return body
}

// credentials are those that a client gets now. They wait for STS.
func (d *daemon) credentials(from, role string) (doc struct{ AccessKeyID, SecretAccessKey, Token, Expiration string }) {
	d.t.Helper()
	eventually(d.t, "credentials of "+role, func() bool {
		status, body := d.imds(from, "", "/latest/meta-data/iam/security-credentials/"+role)
		return status == http.StatusOK && json.Unmarshal([]byte(body), &doc) == nil && doc.AccessKeyID != ""
	})
	return doc
}

// eventually waits for something to be true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
