//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// prometheus is a running Prometheus.
type prometheus struct{ url string }

// startPrometheus runs Debian's Prometheus with this configuration, on a free port of the loopback, until the test ends.
func startPrometheus(t *testing.T, config string) prometheus {
	t.Helper()
	needFile(t, "/usr/bin/prometheus", "prometheus")
	address, dir := testutil.FreeAddr(t), t.TempDir()
	log := new(testutil.Buffer)
	cmd := exec.Command("/usr/bin/prometheus", "--config.file="+testutil.WriteTemp(t, "prometheus.yml", config), "--storage.tsdb.path="+dir,
		"--web.listen-address="+address, "--log.level=warn")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, []string{"PATH=" + systemPath, "HOME=" + dir}, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("Prometheus ended with %v", err)
		}
		if t.Failed() {
			t.Logf("its log:\n%s", log)
		}
	})
	p := prometheus{"http://" + address}
	testutil.Eventually(t, "Prometheus to be ready", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// api reads the data of an answer of the HTTP API into the value. It returns the error that Prometheus names.
func (p prometheus) api(t *testing.T, path string, query url.Values, into any) error {
	t.Helper()
	resp, err := http.Get(p.url + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", resp.Status, answer.Error)
	}
	return nil
}

// sample is a series of an instant vector, and its value.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

// query runs an expression now.
func (p prometheus) query(t *testing.T, expr string) ([]sample, error) {
	t.Helper()
	var data struct{ Result []sample }
	err := p.api(t, "query", url.Values{"query": {expr}}, &data)
	return data.Result, err
}

// value is that of an expression with one series; "" without.
func (p prometheus) value(t *testing.T, expr string) string {
	t.Helper()
	got, err := p.query(t, expr)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		return ""
	}
	value, _ := got[0].Value[1].(string)
	return value
}

// labels are those of each metric of a job, sorted, without those of the target.
func (p prometheus) labels(t *testing.T, job string) map[string][]string {
	t.Helper()
	var all []map[string]string
	if err := p.api(t, "series", url.Values{"match[]": {`{job="` + job + `"}`}}, &all); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, series := range all {
		name := series["__name__"]
		if _, ok := found[name]; !ok {
			found[name] = []string{}
		}
		for label := range series {
			if !slices.Contains([]string{"__name__", "job", "instance", "le"}, label) && !slices.Contains(found[name], label) {
				found[name] = append(found[name], label)
			}
		}
		slices.Sort(found[name])
	}
	for name := range found {
		if name == "up" || strings.HasPrefix(name, "scrape_") || strings.HasPrefix(name, "ALERTS") { // Prometheus' own
			delete(found, name)
		}
	}
	return found
}
