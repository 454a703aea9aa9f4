//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// observability is the folder of what is for Prometheus and Grafana.
const observability = "../../deploy/observability/"

// promtool runs Debian's promtool in that folder.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	needFile(t, "/usr/bin/promtool", "prometheus")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/promtool", args...)
	cmd.Dir = observability
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestObservability_AlertsFireAndKeepSilent(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", "alerts.yaml")
	promtool(t, "test", "rules", "alerts_test.yaml")
}

func TestObservability_PrometheusAcceptsTheScrapeConfiguration(t *testing.T) {
	promtool(t, "check", "config", "--lint-fatal", "scrape.yaml")
}

// alert is a rule of alerts.yaml.
type alert struct {
	Alert, Expr         string
	For                 string
	Labels, Annotations map[string]string
}

// readAlerts reads alerts.yaml.
func readAlerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal(readObservability(t, "alerts.yaml"), &file); err != nil || len(file.Groups) != 1 {
		t.Fatalf("%v in %d groups", err, len(file.Groups))
	}
	return file.Groups[0].Rules
}

func readObservability(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(observability + name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestObservability_AlertsSayWhatToDo(t *testing.T) {
	docs, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ +(.+)$`).FindAllStringSubmatch(string(docs), -1) {
		anchors[strings.ReplaceAll(regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading[1]), ""), " ", "-")] = true
	}
	tested := string(readObservability(t, "alerts_test.yaml"))
	var names []string
	for _, a := range readAlerts(t) {
		names = append(names, a.Alert)
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: severity is %q", a.Alert, a.Labels["severity"])
		}
		if len(a.Annotations["summary"]) < 20 || len(a.Annotations["description"]) < 80 || !strings.Contains(a.Annotations["summary"], "$labels.instance") {
			t.Errorf("%s: its annotations say too little: %q", a.Alert, a.Annotations)
		}
		if page, anchor, _ := strings.Cut(a.Annotations["runbook"], "#"); page != "docs/observability.md" || !anchors[anchor] {
			t.Errorf("%s: %s is no heading", a.Alert, a.Annotations["runbook"])
		}
		if !strings.Contains(tested, "alertname: "+a.Alert+"\n") || !strings.Contains(tested, "{alertname: "+a.Alert+",") {
			t.Errorf("%s: alerts_test.yaml does not see it both fire and keep silent", a.Alert)
		}
	}
	want := []string{
		"NoCredentials", "ExpireSoon", "RenewalFailing", "ReloadFailed", "RefusalBurst", "TokensRejected", "StsSlow", "MfaWaiting", "SimulationActive",
	}
	if !slices.Equal(names, want) {
		t.Errorf("alerts are %q, want %q", names, want)
	}
}

// dashboard is what the tests need to know of dashboard.json.
type dashboard struct {
	UID           string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               datasource
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []target
}

type target struct {
	RefID, Expr, LegendFormat, Format string
	Datasource                        datasource
}

type datasource struct{ Type, UID string }

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(readObservability(t, "dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// schemaOfGrafana10 is that of dashboards of Grafana 10.0. A newer Grafana migrates them, an older one cannot.
const schemaOfGrafana10 = 38

func TestObservability_DashboardIsWellFormed(t *testing.T) {
	d := readDashboard(t)
	if d.UID != "mock-ec2-metadata" || d.SchemaVersion != schemaOfGrafana10 {
		t.Errorf("uid %q, schema %d; want mock-ec2-metadata and %d", d.UID, d.SchemaVersion, schemaOfGrafana10)
	}
	if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" || v[0].Query != "prometheus" {
		t.Errorf("variables are %+v, want datasource first", v)
	}
	seen, cells, panels := map[string]bool{}, map[[2]int]string{}, 0
	for i := range d.Panels {
		p := &d.Panels[i]
		for _, once := range []string{p.Title, fmt.Sprint(p.ID)} {
			if seen[once] || once == "" {
				t.Errorf("two panels are %q, or a title is missing", once)
			}
			seen[once] = true
		}
		at := p.GridPos
		if at.X < 0 || at.W < 1 || at.H < 1 || at.X+at.W > 24 {
			t.Errorf("%s: not within 24 columns: %+v", p.Title, at)
		}
		for x := range at.W {
			for y := range at.H {
				cell := [2]int{at.X + x, at.Y + y}
				if other := cells[cell]; other != "" {
					t.Fatalf("%s and %s overlap at %v", p.Title, other, cell)
				}
				cells[cell] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		panels++
		p.check(t)
	}
	if panels != 12 {
		t.Errorf("%d panels, want 12", panels)
	}
}

// check checks a panel that is no row.
func (p *panel) check(t *testing.T) {
	t.Helper()
	chosen := datasource{"prometheus", "${datasource}"}
	if len(p.Description) < 40 || p.FieldConfig.Defaults.Unit == "" || p.Datasource != chosen || len(p.Targets) == 0 {
		t.Errorf("%s: description, unit, data source or target is missing: %+v", p.Title, p)
	}
	for _, target := range p.Targets {
		if target.Datasource != chosen || target.RefID == "" || target.LegendFormat == "" && target.Format != "table" {
			t.Errorf("%s: %+v lacks data source, name or legend", p.Title, target)
		}
	}
}
