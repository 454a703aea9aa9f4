package cli

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

var metricsLine = regexp.MustCompile(`"msg":"serving metrics","url":"(http://[^"]+)/metrics"`)

// TestServe_MetricsAreWhereTheLogSays also looks at the metrics of a request.
func TestServe_MetricsAreWhereTheLogSays(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	d := start(t, "--set", "metrics.listen=127.0.0.1:0")
	d.wantLog(t, `"msg":"serving metrics"`)
	at := &running{url: metricsLine.FindStringSubmatch(d.log.String())[1] + "/"}
	if code, body := d.get(t, "latest/meta-data/instance-id"); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	_, body := at.get(t, "metrics")
	for _, series := range []string{
		`mock_ec2_metadata_requests_total{imds="v1",route="meta_data",status="200"} 1` + "\n",
		`mock_ec2_metadata_credentials_valid{account_id="123456789012",role="myrole"} 1` + "\n",
		`mock_ec2_metadata_build_info{`, `version="test"`,
	} {
		if !strings.Contains(body, series) {
			t.Errorf("there is no %s", series)
		}
	}
	if strings.Contains(body, "mock_ec2_metadata_kube_") {
		t.Error("there are metrics of a cluster")
	}
	for _, page := range []string{"healthz", "readyz"} {
		if code, body := at.get(t, page); code != 200 || body != "ok\n" {
			t.Errorf("/%s: %d %s", page, code, body)
		}
	}
}

// TestServe_MetricsAreOffByDefault looks at the address that the documentation suggests.
func TestServe_MetricsAreOffByDefault(t *testing.T) {
	isolate(t)
	c, err := net.Dial("tcp", "127.0.0.1:5080")
	if err == nil {
		_ = c.Close()
		t.Skip("something of this machine listens on port 5080")
	}
	d := start(t)
	d.status(t)
	if c, err := net.Dial("tcp", "127.0.0.1:5080"); err == nil {
		_ = c.Close()
		t.Error("something listens on port 5080")
	}
	if d.log.Contains("serving metrics") {
		t.Errorf("the log has metrics: %s", d.log)
	}
}

func TestServe_MetricsPortInUseIsAnError(t *testing.T) {
	isolate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	address := l.Addr().String()
	got := run(t, "--listen", "127.0.0.1:0", "--set", "metrics.listen="+address)
	want := "mock-ec2-metadata: metrics.listen: " + address + " is in use; stop what uses it, or choose another port\n"
	if got.code != 1 || got.stderr != want {
		t.Errorf("code %d, %q, want %q", got.code, got.stderr, want)
	}
}

func TestServe_ChangeOfMetricsListenNeedsARestart(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	d := start(t)
	d.status(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+"metrics: {listen: '"+testutil.FreeAddr(t)+"'}\n")
	if got := run(t, "reload"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	d.wantLog(t, `"msg":"a changed key takes effect only after a restart","key":"metrics.listen"`)
}
