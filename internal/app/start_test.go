package app

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

func TestEmbeddedDefault_ServesMadeUpCredentials(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t)
	s := d.status(t)
	if s.Status != api.StatusOK || s.Config.File != "embedded default" || s.InstanceID != "i-0123456789abcdef0" || s.Role != "mock-role" ||
		s.Credentials.Source != "mock" || s.Credentials.Note != "made-up credentials: no AWS service accepts them" || s.Version != "test" {
		t.Errorf("status %+v", s)
	}
	code, body := d.get(t, "latest/meta-data/iam/security-credentials/mock-role")
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "Success"`) || !strings.Contains(body, "MOCK") {
		t.Errorf("credentials: %d %s", code, body)
	}
	d.wantLog(t, `"msg":"credentials are made up (credentials.mock)","hint":"no AWS service accepts them; for real ones copy conf/sample-config.yaml`)
}

// TestCredentials_RecoverWithoutRestart starts without ~/.aws and without the role, and adds one after the other.
func TestCredentials_RecoverWithoutRestart(t *testing.T) {
	home := testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	testutil.Write(t, "conf/config.yaml", realConfig)
	d := start(t)

	if code, body := d.get(t, "latest/meta-data/instance-id"); code != http.StatusOK || body != "i-0123456789abcdef0" {
		t.Errorf("instance-id: %d %q", code, body)
	}
	code, body := d.get(t, rolePath)
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "InvalidProfile"`) || !strings.Contains(body, "create it (aws configure --profile default)") {
		t.Errorf("credentials without ~/.aws: %d %s", code, body)
	}
	s := d.status(t)
	if s.Status != api.StatusDegraded || s.Credentials.State != api.StateFailed || !strings.Contains(s.Credentials.LastError, "create it") {
		t.Errorf("status without ~/.aws: %+v", s)
	}
	d.wantLog(t, "create it (aws configure --profile default)")

	testutil.Write(t, filepath.Join(home, ".aws/credentials"), profile(key))
	testutil.Eventually(t, "the profile is read, the role denied", func() bool {
		return strings.Contains(d.status(t).Credentials.LastError, "may not assume")
	})
	code, body = d.get(t, rolePath)
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "AssumeRoleUnauthorizedAccess"`) {
		t.Errorf("credentials of a denied role: %d %s", code, body)
	}

	sts.AddRole(roleARN)
	testutil.Write(t, "conf/config.yaml", realConfig+"# a change\n")
	testutil.Eventually(t, "credentials are valid", func() bool { return d.status(t).Credentials.State == api.StateValid })
	s = d.status(t)
	if s.Status != api.StatusOK || s.Credentials.LastError != "" || s.Credentials.ARN != "arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0" ||
		s.Credentials.Expiration == nil || s.Credentials.LastRenewal == nil {
		t.Errorf("status with credentials: %+v", s)
	}
}

func TestCredentials_SurviveTheEndOfSTS(t *testing.T) {
	sts := startSTS(t)
	sts.AddRole(roleARN)
	testutil.Write(t, "conf/config.yaml", realConfig)
	d := start(t)
	_, first := d.get(t, rolePath)
	_ = sts.Close()
	if _, second := d.get(t, rolePath+"/"); second != first || !strings.Contains(first, `"Success"`) {
		t.Errorf("the document changed from\n%s\nto\n%s", first, second)
	}
}

func TestCredentials_WithoutRoleAreTheProfilesOwn(t *testing.T) {
	home := testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	testutil.Write(t, filepath.Join(home, ".aws/credentials"), profile(key))
	d := start(t, "credentials.source_profile=default", "aws.account_id=210987654321")
	testutil.Eventually(t, "credentials are valid", func() bool { return d.status(t).Credentials.State == api.StateValid })
	if _, roles := d.get(t, "latest/meta-data/iam/security-credentials/"); roles != "default" {
		t.Errorf("the role is %q, want the profile's name", roles)
	}
	code, body := d.get(t, "latest/meta-data/iam/security-credentials-extended/default")
	if code != http.StatusOK || !strings.Contains(body, `"AccountId" : "210987654321"`) || strings.Contains(body, key.AccessKeyID) || strings.Contains(body, key.SecretAccessKey) {
		t.Errorf("credentials: %d %s", code, body)
	}
	if _, info := d.get(t, "latest/meta-data/iam/info"); !strings.Contains(info, `"arn:aws:iam::210987654321:instance-profile/default"`) {
		t.Errorf("iam/info: %s", info)
	}
}

// TestCredentials_LoopIsNamed has a profile that takes its credentials from the daemon.
func TestCredentials_LoopIsNamed(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, ".aws/config", "[default]\nrole_arn = "+roleARN+"\ncredential_source = Ec2InstanceMetadata\n")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
	addr := testutil.FreeAddr(t)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://"+addr)
	opt := options(load(t, "", "credentials.source_profile=default", "credentials.iam_role="+roleARN))
	opt.Listen = []string{addr}
	d := startWith(t, opt)
	testutil.Eventually(t, "the loop is named", func() bool {
		return strings.HasPrefix(d.status(t).Credentials.LastError, `profile "default" takes its credentials from EC2's metadata service, which here is this daemon itself; `)
	})
}

func TestSTS_UnreachableIsTemporary(t *testing.T) {
	home := testutil.IsolateHome(t)
	testutil.Write(t, filepath.Join(home, ".aws/credentials"), profile(stsfake.New().AddUser("developer")))
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9") // discard: nothing listens
	d := start(t, "credentials.source_profile=default", "credentials.iam_role="+roleARN)
	testutil.Eventually(t, "503 with a reason", func() bool {
		code, body := d.get(t, rolePath)
		return code == http.StatusServiceUnavailable && strings.Contains(body, "STS cannot be reached: dial tcp 127.0.0.1:9")
	})
}

// TestStatus_LateCredentialsDegrade has an STS that hangs: the first call has neither failed nor succeeded.
func TestStatus_LateCredentialsDegrade(t *testing.T) {
	startSTS(t).Hang()
	testutil.Write(t, "conf/config.yaml", realConfig)
	d := start(t)
	testutil.Eventually(t, "degraded", func() bool {
		s := d.status(t)
		return s.Status == api.StatusDegraded && s.Credentials.State == api.StatePending
	})
}

// TestConnections_BadClientsLeaveNoGoroutines sends what no client should.
func TestConnections_BadClientsLeaveNoGoroutines(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t)
	if code, body := d.get(t, "latest/meta-data/instance-id"); code != 200 || body == "" {
		t.Fatalf("%d %s", code, body)
	}
	before := runtime.NumGoroutine()
	var conns []net.Conn
	for i, text := range []string{
		"", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20),
		"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nContent-Length: 100\r\n\r\n",
		"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		for range 10 {
			conn, err := net.Dial("tcp", d.Addrs()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
			if _, err := io.WriteString(conn, text); err != nil && len(text) < 1<<20 {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
	if code, body := d.get(t, "latest/meta-data/instance-id"); code != 200 || body == "" {
		t.Errorf("meanwhile: %d %s", code, body)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	testutil.Eventually(t, "the goroutines of before", func() bool { return runtime.NumGoroutine() <= before })
}

// TestIdentity_IsMadeBeforeItIsAskedFor waits for the key pair that the daemon makes in the background.
func TestIdentity_IsMadeBeforeItIsAskedFor(t *testing.T) {
	home := testutil.IsolateHome(t)
	t.Setenv("XDG_STATE_HOME", "")
	start(t)
	testutil.Eventually(t, "the key pair is in the state directory", func() bool {
		_, err := os.Stat(filepath.Join(home, ".local/state/mock-ec2-metadata/identity.pem"))
		return err == nil
	})
}
