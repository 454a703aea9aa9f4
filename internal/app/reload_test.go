package app

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// configured starts a daemon with mockConfig and more keys in conf/config.yaml.
func configured(t *testing.T, more string) *daemon {
	t.Helper()
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+more)
	return start(t)
}

func (d *daemon) hostname(t testing.TB) string {
	t.Helper()
	_, body := d.get(t, "latest/meta-data/hostname")
	return body
}

// wantConfigError waits until /status says that a reload failed with an error that starts with prefix.
func (d *daemon) wantConfigError(t testing.TB, prefix string) {
	t.Helper()
	testutil.Eventually(t, "the configuration's error is "+prefix, func() bool {
		return strings.HasPrefix(d.status(t).Config.Error, prefix)
	})
}

// wantReloaded waits until /status has no error of a reload, and what else ok says.
func (d *daemon) wantReloaded(t testing.TB, what string, ok func(api.Status) bool) {
	t.Helper()
	testutil.Eventually(t, what, func() bool {
		s := d.status(t)
		return s.Config.Error == "" && ok(s)
	})
}

// TestReload_FollowsEveryWayOfEditing edits the file as editors do.
func TestReload_FollowsEveryWayOfEditing(t *testing.T) {
	d := configured(t, "ec2: {hostname: one}\n")
	for _, tt := range []struct {
		name string
		edit func(content string)
		want string
	}{
		{name: "written in place", want: "two", edit: func(content string) { testutil.Write(t, "conf/config.yaml", content) }},
		{name: "replaced by a rename", want: "three", edit: func(content string) {
			testutil.Write(t, "conf/new.yaml", content)
			if err := os.Rename("conf/new.yaml", "conf/config.yaml"); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "removed, then created", want: "four", edit: func(content string) {
			if err := os.Remove("conf/config.yaml"); err != nil {
				t.Fatal(err)
			}
			d.wantConfigError(t, "conf/config.yaml: no such file")
			testutil.Write(t, "conf/config.yaml", content)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.edit(mockConfig + "ec2: {hostname: " + tt.want + "}\n")
			testutil.Eventually(t, "the edited file is in use", func() bool { return d.hostname(t) == tt.want })
		})
	}
}

func TestReload_ErrorKeepsOldState(t *testing.T) {
	d := configured(t, "ec2: {hostname: one}\n")
	for _, tt := range []struct{ name, content, want string }{
		{name: "unknown key", content: mockConfig + "ec2: {hostnam: two}\n", want: "conf/config.yaml:2: ec2.hostnam: unknown key; did you mean hostname?"},
		{name: "being written", content: "# nothing yet\n", want: "conf/config.yaml: has become empty; restart if that is meant"},
		{name: "impossible tree", content: mockConfig + "metadata:\n  meta-data/placement: x\n", want: "conf/config.yaml:3: metadata.meta-data/placement: is a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := d.State()
			testutil.Write(t, "conf/config.yaml", tt.content)
			d.wantConfigError(t, tt.want)
			if d.State() != before {
				t.Error("the state was replaced")
			}
			if got := d.hostname(t); got != "one" {
				t.Errorf("hostname %q", got)
			}
			if s := d.status(t); s.Status != api.StatusDegraded {
				t.Errorf("status %q", s.Status)
			}
			d.wantLog(t, `"msg":"configuration not reloaded, the old one stays","why":"a file has changed","error":"`+tt.want[:20])
		})
	}
}

func TestReload_FixedFileEndsTheError(t *testing.T) {
	d := configured(t, "")
	testutil.Write(t, "conf/config.yaml", mockConfig+"ec2: {hostnam: two}\n")
	d.wantConfigError(t, "conf/config.yaml:2: ec2.hostnam: unknown key")
	testutil.Write(t, "conf/config.yaml", mockConfig+"ec2: {hostname: two}\n")
	d.wantReloaded(t, "the fixed file is in use", func(s api.Status) bool { return s.Status == api.StatusOK && d.hostname(t) == "two" })
	d.wantLog(t, `"msg":"configuration reloaded","why":"a file has changed","config":"conf/config.yaml"`)
}

func TestReload_KeepsCredentialsAndPendingTime(t *testing.T) {
	d := configured(t, "ec2: {hostname: one}\n")
	const documentPath = "latest/dynamic/instance-identity/document"
	_, credentials := d.get(t, rolePath)
	_, document := d.get(t, documentPath)
	testutil.Write(t, "conf/config.yaml", mockConfig+"ec2: {hostname: two}\n")
	testutil.Eventually(t, "the edited file is in use", func() bool { return d.hostname(t) == "two" })
	if _, again := d.get(t, rolePath); again != credentials {
		t.Error("a reload that changes nothing about credentials refreshed them")
	}
	if _, again := d.get(t, documentPath); again != document {
		t.Errorf("the document changed from\n%s\nto\n%s", document, again)
	}
}

func TestReload_AnotherRoleReplacesTheKeeper(t *testing.T) {
	d := configured(t, "")
	testutil.Write(t, "conf/config.yaml", "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/other'}\n")
	testutil.Eventually(t, "the other role answers", func() bool {
		code, _ := d.get(t, "latest/meta-data/iam/security-credentials/other")
		return code == http.StatusOK
	})
	if code, _ := d.get(t, rolePath); code != http.StatusNotFound {
		t.Errorf("the old role answers %d", code)
	}
	testutil.Eventually(t, "the replaced keeper has ended", func() bool { return goroutines("credentials.(*Keeper).Run") == 1 })
}

func TestReload_AccessLogIsLive(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	opt := options(load(t, ""))
	lines := new(testutil.Buffer)
	opt.AccessLog = lines
	d := startWith(t, opt)
	if d.hostname(t); !lines.Contains("path=/latest/meta-data/hostname status=200") {
		t.Errorf("the access log has %q", lines)
	}
	for _, config := range []string{"log: {access: false}\n", "log: {level: warn}\n"} {
		testutil.Write(t, "conf/config.yaml", mockConfig+config)
		if err := d.Reload("the test"); err != nil {
			t.Fatal(err)
		}
		before := lines.String()
		if d.hostname(t); lines.String() != before {
			t.Errorf("%s is not live: %q", config, lines)
		}
	}
}

// TestReload_NamesKeysThatNeedARestart changes each key that is fixed at the start.
func TestReload_NamesKeysThatNeedARestart(t *testing.T) {
	for _, tt := range []struct{ key, content string }{
		{key: "server.listen", content: "server: {listen: ['127.0.0.1:1']}\n"},
		{key: "server.user", content: "server: {user: nobody}\n"},
		{key: "server.control", content: "server: {control: 'off'}\n"},
		{key: "server.control_listen", content: "server: {control_listen: '127.0.0.1:1'}\n"},
		{key: "server.console", content: "server: {console: 'off'}\n"},
		{key: "log.format", content: "log: {format: json}\n"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			d := configured(t, "")
			testutil.Write(t, "conf/config.yaml", mockConfig+tt.content)
			if err := d.Reload("the test"); err != nil {
				t.Fatal(err)
			}
			if got := d.status(t).Config.NeedsRestart; len(got) != 1 || got[0] != tt.key {
				t.Errorf("needs_restart is %q", got)
			}
			d.wantLog(t, `"msg":"a changed key takes effect only after a restart","key":"`+tt.key+`"`)
			testutil.Write(t, "conf/config.yaml", mockConfig)
			if err := d.Reload("the test"); err != nil {
				t.Fatal(err)
			}
			if got := d.status(t).Config.NeedsRestart; len(got) != 0 {
				t.Errorf("with the value of the start, needs_restart is %q", got)
			}
		})
	}
}

// TestReload_UsesAFileCreatedLater starts with the embedded default.
func TestReload_UsesAFileCreatedLater(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	testutil.Eventually(t, "the file is in use", func() bool { return d.status(t).Role == "myrole" })
	if err := os.Remove("conf/config.yaml"); err != nil {
		t.Fatal(err)
	}
	d.wantConfigError(t, "conf/config.yaml: no such file")
	if s := d.status(t); s.Role != "myrole" || s.Status != api.StatusDegraded {
		t.Errorf("without its file the daemon serves %+v", s)
	}
}

// TestReload_NamedPipeDoesNotBlock has a file replaced by a pipe that nothing writes to.
func TestReload_NamedPipeDoesNotBlock(t *testing.T) {
	d := configured(t, "")
	if err := os.Remove("conf/config.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo("conf/config.yaml", 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "conf/config.yaml: not a regular file, so it cannot be read again"
	if err := d.Reload("the test"); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestReload_EditsKeepCredentialsOfTheSameHolder changes how credentials are obtained while STS is failing.
func TestReload_EditsKeepCredentialsOfTheSameHolder(t *testing.T) {
	sts := startSTS(t)
	sts.AddRole(roleARN)
	testutil.Write(t, "conf/config.yaml", realConfig)
	d := start(t)
	testutil.Eventually(t, "credentials are valid", func() bool { return d.status(t).Credentials.State == api.StateValid })
	_, document := d.get(t, rolePath)
	sts.Fail(stsfake.InternalFailure)
	for _, edit := range []struct{ name, content string }{
		{name: "refresh_before", content: realConfig + "  refresh_before: 10m\n"},
		{name: "duration", content: realConfig + "  duration: 30m\n"},
		{name: "order and duration", content: "credentials:\n  source_profile: default # again\n  iam_role: " + roleARN + "\n  duration: 2h\n"},
	} {
		calls := sts.Calls("AssumeRole")
		testutil.Write(t, "conf/config.yaml", edit.content)
		testutil.Eventually(t, "the edited configuration is in use", func() bool { return sts.Calls("AssumeRole") > calls })
		if _, again := d.get(t, rolePath); again != document {
			t.Errorf("after an edit of %s the valid credentials are gone: %s", edit.name, again)
		}
	}
	// Another session is another holder.
	testutil.Write(t, "conf/config.yaml", realConfig+"  session_name: another\n")
	testutil.Eventually(t, "the old session's credentials are gone", func() bool {
		code, _ := d.get(t, rolePath)
		return code == http.StatusServiceUnavailable
	})
}

// TestReload_MakesOneCall has a role that is denied. It is not tried again for half a minute.
func TestReload_MakesOneCall(t *testing.T) {
	sts := startSTS(t)
	testutil.Write(t, "conf/config.yaml", "# nothing\nec2: {hostname: one}\n")
	d := start(t)
	testutil.Write(t, "conf/config.yaml", realConfig)
	testutil.Eventually(t, "the role is denied", func() bool { return strings.Contains(d.status(t).Credentials.LastError, "may not assume") })
	for range 20 {
		d.status(t)
	}
	if got := sts.Calls("AssumeRole"); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
	// A reload that leaves the credentials alone is a reason to retry all the same.
	testutil.Write(t, "conf/config.yaml", realConfig+"ec2: {hostname: two}\n")
	testutil.Eventually(t, "a second call", func() bool { return sts.Calls("AssumeRole") == 2 })
}

func TestReload_MetadataOptionsAreLive(t *testing.T) {
	testutil.IsolateHome(t)
	options := func(o string) {
		testutil.Write(t, "conf/config.yaml", "ec2: {tags: {Name: x}, metadata_options: {"+o+"}}\n")
	}
	options("http_tokens: optional")
	d := start(t)
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
		testutil.Eventually(t, tt.options, func() bool { code, _ := d.get(t, tt.path); return code == tt.want })
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
	testutil.Eventually(t, "a hop limit", closes)
	options("http_put_response_hop_limit: 64")
	testutil.Eventually(t, "no hop limit", func() bool { return !closes() })
}

func TestReload_IdentityIsLive(t *testing.T) {
	testutil.IsolateHome(t)
	configure := func(dir string) {
		testutil.Write(t, "conf/config.yaml", "identity: {state_dir: "+dir+"}\nlog: {level: info}\n")
	}
	configure("one")
	d := start(t)
	signature := func() string { _, body := d.get(t, "latest/dynamic/instance-identity/pkcs7"); return body }
	first := signature()
	configure("two")
	testutil.Eventually(t, "another key signs", func() bool { return signature() != first })

	testutil.Write(t, "conf/three/identity.pem", "damaged")
	configure("three")
	testutil.Eventually(t, "status says that the key is damaged", func() bool {
		signature()
		s := d.status(t)
		return s.Status == api.StatusDegraded && strings.Contains(s.IdentityError, "identity.pem")
	})
}
