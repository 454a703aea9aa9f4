package metrics

import (
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/testutil"
)

// page is the documentation.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// served are all families that there can be, by name.
func served(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	f := newFake()
	f.sample = func() app.Sample {
		role := app.Role{Name: "myrole", Account: "123456789012"}
		return app.Sample{Known: []app.Role{role}, Roles: []app.RoleSample{{Role: role}}, Kubernetes: &api.Kubernetes{Relay: new(api.Relay)}}
	}
	m := New("1.2.3", time.Now)
	s, err := m.Listen(t.Context(), "127.0.0.1:0", f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for outcome := range sts.Outcomes {
		m.Called(sts.Call{Operation: "AssumeRole", Outcome: outcome})
	}
	for _, operation := range append(slices.Clone(operations), "GetObject") {
		m.Called(sts.Call{Operation: operation})
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, family := range families {
		all[family.GetName()] = family
	}
	return all
}

// labels are the values of each label of a family, sorted.
func labels(family *dto.MetricFamily) map[string][]string {
	all := map[string][]string{}
	for _, metric := range family.GetMetric() {
		for _, pair := range metric.GetLabel() {
			all[pair.GetName()] = append(all[pair.GetName()], pair.GetValue())
		}
	}
	for name, list := range all {
		slices.Sort(list)
		all[name] = slices.Compact(list)
	}
	return all
}

var (
	metricRow = regexp.MustCompile("(?m)^\\| `((?:mock_ec2_metadata|process|go)_[a-z_]+)` \\| ([a-z]+) \\| ((?:`[a-z_]+`(?:, )?)* ?)\\| .+ \\|$")
	labelRow  = regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| ((?:`[a-z_]+`(?:, )?)+) \\| ((?:`[A-Za-z0-9_]+`(?:, )?)+)(?:: .*)? \\|$")
	quoted    = regexp.MustCompile("`([^`]+)`")
)

func words(text string) []string {
	var all []string
	for _, match := range quoted.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return all
}

func TestDocs_HaveEachMetricWithItsLabels(t *testing.T) {
	got, documented := served(t), map[string]bool{}
	for _, row := range metricRow.FindAllStringSubmatch(page(t), -1) {
		family := got[row[1]]
		if family == nil {
			t.Errorf("%s is documented, but not served", row[1])
			continue
		}
		documented[row[1]] = true
		if kind := strings.ToLower(family.GetType().String()); kind != row[2] {
			t.Errorf("%s is a %s, documented as a %s", row[1], kind, row[2])
		}
		if names := slices.Sorted(maps.Keys(labels(family))); !slices.Equal(names, words(row[3])) {
			t.Errorf("%s has the labels %v, documented are %v", row[1], names, words(row[3]))
		}
	}
	for name := range got {
		if !documented[name] {
			t.Errorf("%s is served, but not documented", name)
		}
	}
}

func TestDocs_HaveTheValuesOfLabels(t *testing.T) {
	got, documented := served(t), map[string]bool{}
	for _, row := range labelRow.FindAllStringSubmatch(page(t), -1) {
		for _, name := range words(row[2]) {
			name = namespace + "_" + name
			documented[name+" "+row[1]] = true
			if values := labels(got[name])[row[1]]; !slices.Equal(values, words(row[3])) {
				t.Errorf("%s of %s is one of\n%v, documented are\n%v", row[1], name, values, words(row[3]))
			}
		}
	}
	text := page(t)
	for name, family := range got {
		for label := range labels(family) {
			switch label {
			case "role", "account_id", "version", "goversion", "goos", "goarch": // of the configuration, of the build
				continue
			case "code":
				for _, code := range []string{"20 codes of AWS", "`AccessDenied`"} {
					if len(awsCodes) != 20 || !strings.Contains(text, code) {
						t.Errorf("there are %d codes", len(awsCodes))
					}
				}
				continue
			}
			if !documented[name+" "+label] {
				t.Errorf("the values of %s of %s are not documented", label, name)
			}
		}
	}
}

var (
	logRow  = regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| .+ \\| .+ \\| .+ \\|$")
	logLine = regexp.MustCompile("(?m)^\\{\"time\".*\\}$")
)

// TestDocs_HaveTheFieldsOfTheAccessLog makes each field appear, and each that may be absent be absent once.
func TestDocs_HaveTheFieldsOfTheAccessLog(t *testing.T) {
	docs := page(t)
	testutil.IsolateHome(t)
	second := testutil.FreeAddr(t)
	testutil.Write(t, "conf/config.yaml", `
credentials: {mock: true, iam_role: "`+roleARN+`"}
clients: [{listen: "`+second+`", role: none}]
faults: [{id: f, match: {paths: [meta-data/ami-id]}, status: 503}]
log: {format: json}
`)
	d := startWith(t, nil)
	for _, url := range []string{d.url + "latest/meta-data/instance-id", d.url + "latest/meta-data/ami-id", d.url + "status", "http://" + second + "/latest/"} {
		ask(t, "GET", url)
	}
	testutil.Eventually(t, "the last line", func() bool { return strings.Count(d.access.String(), "\n") == 4 })
	fields := func(line string) []string {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return slices.Collect(maps.Keys(object))
	}
	var written []string
	always := map[string]int{}
	lines := strings.Split(strings.TrimSpace(d.access.String()), "\n")
	for _, line := range lines {
		for _, field := range fields(line) {
			written = append(written, field)
			always[field]++
		}
	}
	slices.Sort(written)
	written = slices.Compact(written)
	var documented []string
	for _, row := range logRow.FindAllStringSubmatch(docs, -1) {
		documented = append(documented, row[1])
		if absent := strings.Contains(row[0], "absent"); absent != (always[row[1]] < len(lines)) {
			t.Errorf("%s is in %d of %d lines; documented is %s", row[1], always[row[1]], len(lines), row[0])
		}
	}
	slices.Sort(documented)
	if !slices.Equal(documented, written) {
		t.Errorf("documented are\n%v, written were\n%v", documented, written)
	}
	example := logLine.FindString(docs)
	for _, field := range fields(example) {
		if !slices.Contains(written, field) {
			t.Errorf("the example has %s", field)
		}
	}
}
