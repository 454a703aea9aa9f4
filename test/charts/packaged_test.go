//go:build packages

package charts

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
)

// packaged unpacks the chart that make dist made, and returns its directory, and the version that the file's name has.
func packaged(t *testing.T) (dir, version string) {
	t.Helper()
	const prefix = "../../dist/mock-ec2-metadata-chart-"
	files, err := filepath.Glob(prefix + "*.tgz")
	if err != nil || len(files) != 1 {
		t.Fatalf("%d charts in dist/, %v; run make dist first", len(files), err)
	}
	to := t.TempDir()
	if err := chartutil.ExpandFile(to, files[0]); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "mock-ec2-metadata"), strings.TrimSuffix(strings.TrimPrefix(files[0], prefix), ".tgz")
}

func TestPackagedChart_LintFindsNothing(t *testing.T) {
	dir, _ := packaged(t)
	lintChart(t, dir)
}

func TestPackagedChart_HasTheVersionAndImageOfTheRelease(t *testing.T) {
	dir, version := packaged(t)
	chart, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if chart.Metadata.Version != version || chart.Metadata.AppVersion != version {
		t.Errorf("version %s, appVersion %s; want %s", chart.Metadata.Version, chart.Metadata.AppVersion, version)
	}
	want := "v" + version
	if strings.HasPrefix(version, "0.0.0-alpha.") { // a snapshot, whose image is called as its program says
		described, err := exec.Command("git", "describe", "--tags", "--always", "--abbrev=12").Output()
		if err != nil {
			t.Fatal(err)
		}
		want = strings.TrimSpace(string(described))
	}
	image, _ := chart.Values["image"].(map[string]any)
	if got, _ := image["tag"].(string); strings.TrimSuffix(got, "-dirty") != want {
		t.Errorf("the image has the tag %q; want %q", got, want)
	}
}

func TestPackagedChart_RendersAsTheSourceDoes(t *testing.T) {
	dir, _ := packaged(t)
	chart, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			values := valuesOf(t, name)
			got, err := renderChart(t, dir, "aws", values)
			if err != nil {
				t.Fatal(err)
			}
			if values["image"] == nil {
				values["image"] = chart.Values["image"]
			}
			want, err := render(t, "aws", values)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.objects, got.objects) + cmp.Diff(hooksOf(t, want), hooksOf(t, got)) + cmp.Diff(want.notes, got.notes); diff != "" {
				t.Errorf("(-source +dist):\n%s", diff)
			}
		})
	}
	if _, err := renderChart(t, dir, "aws", map[string]any{"user": 0}); err == nil || !strings.Contains(err.Error(), "/user") {
		t.Errorf("got %v; the schema refuses user 0", err)
	}
}
