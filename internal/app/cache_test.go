package app

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// STS hangs after the first run.
func TestCache_SecondRunServesWhatTheFirstGot(t *testing.T) {
	for _, tt := range []struct {
		name   string
		set    []string // of the second run
		status int
	}{
		{name: "disk", set: []string{"credentials.cache=disk"}, status: http.StatusOK},
		{name: "another refresh_before", set: []string{"credentials.cache=disk", "credentials.refresh_before=5m"}, status: http.StatusOK},
		{name: "another session", set: []string{"credentials.cache=disk", "credentials.session_name=other"}, status: http.StatusServiceUnavailable},
		{name: "memory", status: http.StatusServiceUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := startSTS(t)
			sts.AddRole(roleARN)
			testutil.Write(t, "conf/config.yaml", realConfig)
			first := start(t, "credentials.cache=disk")
			status, want := first.get(t, rolePath)
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, want)
			}
			file := ""
			testutil.Eventually(t, "/status names the file", func() bool {
				file = first.status(t).Credentials.Cache
				return file != ""
			})
			if err := first.stop(); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil || filepath.Dir(file) != cacheDir(first.State().Config.Config) || !strings.Contains(string(text), "secret_access_key") {
				t.Errorf("%s: %v", file, err)
			}

			sts.Hang()
			second := start(t, tt.set...)
			asked := time.Now()
			status, got := second.get(t, rolePath)
			if status != tt.status || status == http.StatusOK && got != want {
				t.Errorf("%d %s after %v\nwant %d %s", status, got, time.Since(asked), tt.status, want)
			}
		})
	}
}
