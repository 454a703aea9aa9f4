package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/test/stsfake"
)

// TestReload edits the file in every way an editor does.
func TestReload(t *testing.T) {
	isolate(t)
	const minimal = "credentials: {mock: true, iam_role: '" + roleARN + "'}\n"
	write(t, "conf/config.yaml", minimal+"ec2: {hostname: one}\n")
	d := start(t)
	hostname := func() string { _, body := d.get(t, "latest/meta-data/hostname"); return body }
	if got := hostname(); got != "one" {
		t.Fatalf("hostname %q", got)
	}
	_, credentials := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
	_, document := d.get(t, "latest/dynamic/instance-identity/document")

	write(t, "conf/new.yaml", minimal+"ec2: {hostname: two}\n")
	if err := os.Rename("conf/new.yaml", "conf/config.yaml"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the renamed file is in use", func() bool { return hostname() == "two" })

	write(t, "conf/config.yaml", minimal+"ec2: {hostnam: three}\n")
	eventually(t, "status tells the error", func() bool {
		return strings.HasPrefix(d.status(t).Config.Error, `conf/config.yaml:2: ec2.hostnam: unknown key; did you mean hostname?`)
	})
	if got := hostname(); got != "two" {
		t.Errorf("a broken file is in use: hostname %q", got)
	}
	if s := d.status(t); s.Status != "degraded" {
		t.Errorf("status %q after a failed reload", s.Status)
	}
	if !strings.Contains(d.logged(), "configuration not reloaded, the old one stays in use") {
		t.Error("the log does not tell of the failed reload")
	}

	write(t, "conf/config.yaml", "# being written\n")
	eventually(t, "status tells that the file is empty", func() bool {
		return d.status(t).Config.Error == "conf/config.yaml: has become empty; restart if that is meant"
	})
	if got := hostname(); got != "two" {
		t.Errorf("an empty file is in use: hostname %q", got)
	}

	write(t, "conf/config.yaml", minimal+"server: {listen: ['127.0.0.1:1']}\nlog: {level: error, access: false}\n")
	eventually(t, "mended, and a restart is asked for", func() bool {
		s := d.status(t)
		return s.Config.Error == "" && s.Status == "ok" && hostname() == "ip-10-0-0-10.ec2.internal"
	})
	if _, again := d.get(t, "latest/meta-data/iam/security-credentials/myrole"); again != credentials {
		t.Error("a reload that changes nothing about credentials renewed them")
	}
	lines := strings.Count(d.logged(), "\n")
	if hostname(); strings.Count(d.logged(), "\n") != lines {
		t.Error("log.access: false is not live")
	}
	if _, again := d.get(t, "latest/dynamic/instance-identity/document"); again != document {
		t.Errorf("pendingTime changed:\n%s\n%s", document, again)
	}
	if err := os.Remove("conf/config.yaml"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status tells that the file has gone", func() bool {
		return strings.HasPrefix(d.status(t).Config.Error, "conf/config.yaml: no such file")
	})
	write(t, "conf/config.yaml", "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/other'}\n")
	eventually(t, "another role", func() bool {
		code, _ := d.get(t, "latest/meta-data/iam/security-credentials/other")
		return code == http.StatusOK
	})
	if code, _ := d.get(t, "latest/meta-data/iam/security-credentials/myrole"); code != http.StatusNotFound {
		t.Errorf("the old role answers %d", code)
	}
	eventually(t, "the replaced keepers have ended", func() bool { return goroutines("credentials.(*Keeper).Run") == 1 })
}

// goroutines counts those with a function on their stack.
func goroutines(function string) int {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 2)
	return strings.Count(b.String(), function+"(")
}

// TestMadeLater starts on the embedded default; a file that is made later is used, and missed when it goes away.
func TestMadeLater(t *testing.T) {
	isolate(t)
	d := start(t)
	write(t, "conf/config.yaml", "credentials: {mock: true, iam_role: '"+roleARN+"'}\n")
	eventually(t, "the file is in use", func() bool { return d.status(t).Role == "myrole" })
	if err := os.Remove("conf/config.yaml"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status tells that the file has gone", func() bool {
		return strings.HasPrefix(d.status(t).Config.Error, "conf/config.yaml: no such file")
	})
	if s := d.status(t); s.Role != "myrole" || s.Status != "degraded" {
		t.Errorf("without its file the daemon serves %+v", s)
	}
	// What is no file cannot block a reload.
	if err := syscall.Mkfifo("conf/config.yaml", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("conf/other", nil, 0o600); err != nil { // an event
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status tells that it is a pipe", func() bool {
		return d.status(t).Config.Error == "conf/config.yaml: not a regular file, so it cannot be read again"
	})
}

// TestCredentialsSurviveEdits changes how credentials are got while STS is down: whose they are stays the same.
func TestCredentialsSurviveEdits(t *testing.T) {
	home := isolate(t)
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, filepath.Join(home, ".aws/credentials"), profile(key))
	write(t, "conf/config.yaml", realConfig)
	d := start(t)
	eventually(t, "credentials are valid", func() bool { return d.status(t).Credentials.State == "valid" })
	_, document := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
	sts.Fail(stsfake.InternalFailure)
	for _, edit := range []string{"refresh_before: 10m", "duration: 30m", "source_profile: default # again"} {
		calls := sts.Calls("AssumeRole")
		config := realConfig + "  " + edit + "\n"
		if strings.HasPrefix(edit, "source_profile") {
			config = "credentials:\n  " + edit + "\n  iam_role: " + roleARN + "\n  duration: 2h\n"
		}
		write(t, "conf/config.yaml", config)
		eventually(t, "the edited configuration is in use", func() bool { return sts.Calls("AssumeRole") > calls })
		if _, again := d.get(t, "latest/meta-data/iam/security-credentials/myrole"); again != document {
			t.Errorf("after %q the credentials that are still valid are gone: %s", edit, again)
		}
	}
	// Another session is another holder.
	write(t, "conf/config.yaml", realConfig+"  session_name: another\n")
	eventually(t, "the old session's credentials are gone", func() bool {
		code, _ := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
		return code == http.StatusServiceUnavailable
	})
}

// TestOneCallAReload has a role that is denied, which is not tried again for half a minute.
func TestOneCallAReload(t *testing.T) {
	home := isolate(t)
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, filepath.Join(home, ".aws/credentials"), profile(sts.AddUser("developer")))
	write(t, "conf/config.yaml", "# nothing\nec2: {hostname: one}\n")
	d := start(t)
	write(t, "conf/config.yaml", realConfig)
	eventually(t, "the role is denied", func() bool { return strings.Contains(d.status(t).Credentials.LastError, "may not assume") })
	for range 20 {
		d.status(t)
	}
	if got := sts.Calls("AssumeRole"); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
	// A reload that leaves the credentials alone is a reason to try again all the same.
	write(t, "conf/config.yaml", realConfig+"ec2: {hostname: two}\n")
	eventually(t, "a second call", func() bool { return sts.Calls("AssumeRole") == 2 })
}

// TestOptionsAreLive switches the metadata options, and the key that signs, under a running daemon.
func TestOptionsAreLive(t *testing.T) {
	isolate(t)
	options := func(o string) { write(t, "conf/config.yaml", "ec2: {tags: {Name: x}, metadata_options: {"+o+"}}\n") }
	options("http_tokens: optional")
	d := start(t)
	code := func(path string) int { c, _ := d.get(t, path); return c }
	for _, tt := range []struct {
		options, path string
		want          int
	}{
		{"http_endpoint: disabled", "latest/meta-data/instance-id", http.StatusForbidden},
		{"http_endpoint: enabled", "latest/meta-data/instance-id", http.StatusOK},
		{"http_tokens: required", "latest/meta-data/instance-id", http.StatusUnauthorized},
		{"instance_metadata_tags: disabled", "latest/meta-data/tags/instance/Name", http.StatusNotFound},
		{"instance_metadata_tags: enabled", "latest/meta-data/tags/instance/Name", http.StatusOK},
	} {
		options(tt.options)
		eventually(t, tt.options, func() bool { return code(tt.path) == tt.want })
	}
	closes := func() bool {
		req, _ := http.NewRequest(http.MethodPut, d.url+"latest/api/token", nil)
		req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.Close
	}
	options("http_put_response_hop_limit: 2")
	eventually(t, "a hop limit", closes)
	options("http_put_response_hop_limit: 64")
	eventually(t, "no hop limit", func() bool { return !closes() })
}

// TestSignaturesAreKept looks inside: what is signed within one second would be the same anyway.
func TestSignaturesAreKept(t *testing.T) {
	isolate(t)
	load := func(set string) *config.Loaded {
		l, err := config.Load(config.Sources{Set: []string{set}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	ctx, cancel := context.WithCancel(t.Context())
	d, err := newDaemon(ctx, slog.New(slog.DiscardHandler), new(slog.LevelVar), config.Sources{}, load("log.level=info"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); d.wait() }()
	first := d.current.Load().signed
	for _, tt := range []struct {
		set  string
		same bool
	}{{"log.level=debug", true}, {"ec2.instance_type=t3.large", false}} {
		if err := d.use(ctx, load(tt.set)); err != nil {
			t.Fatal(err)
		}
		if same := d.current.Load().signed == first; same != tt.same {
			t.Errorf("after %s the signatures are the same: %v, want %v", tt.set, same, tt.same)
		}
	}
}

// TestIdentityIsLive takes up another key, and tells of one that is of no use.
func TestIdentityIsLive(t *testing.T) {
	isolate(t)
	configure := func(dir string) { write(t, "conf/config.yaml", "identity: {state_dir: "+dir+"}\nlog: {level: info}\n") }
	configure("one")
	d := start(t)
	signature := func() string { _, body := d.get(t, "latest/dynamic/instance-identity/pkcs7"); return body }
	first := signature()
	configure("two")
	eventually(t, "another key signs", func() bool { return signature() != first })

	write(t, "conf/three/identity.pem", "damaged")
	configure("three")
	eventually(t, "status tells that the key is damaged", func() bool {
		signature()
		s := d.status(t)
		return s.Status == "degraded" && strings.Contains(s.IdentityError, "identity.pem")
	})
}
