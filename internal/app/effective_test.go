package app

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

const shownConfig = `credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/myrole', external_id: SECRET-external}
ec2:
  user_data: SECRET-user-data
  life_cycle: on-demand
  tags: {team: "<b>a</b>: # \" x"}
metadata: {meta-data/thing: SECRET-metadata, meta-data/spare: null}
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/web', external_id: SECRET-role}
clients:
- from: 10.1.1.1
  role: web
  ec2: {user_data: SECRET-entry}
  metadata: {meta-data/own: SECRET-own}
ecs: {enabled: true, listen: '127.0.0.1:0', authorization: SECRET-authorization-0123456789}
events: [{id: r, in: 1h, restart: true, user_data: SECRET-event}]
`

func TestConfig_HasEachKeyItsOriginAndNoSecret(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, shownConfig, func(o *Options) {
		loaded, err := config.Load(config.Sources{
			File: "conf/config.yaml", Set: []string{"ec2.instance_type=t3.nano"}, Environ: []string{"MOCK_EC2_METADATA__AWS__REGION=eu-west-1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Config = loaded
	})
	got := ask[api.EffectiveConfig](c, http.MethodGet, "/v1/config", "")
	_, text := c.call(http.MethodGet, "/v1/config", "")
	if strings.Contains(text, "SECRET") {
		t.Errorf("a secret is in %s", text)
	}
	byKey := map[string]api.ConfigValue{}
	for _, v := range got.Values {
		if _, twice := byKey[v.Key]; twice || v.Key == "" || v.Origin == "" {
			t.Errorf("got %+v", v)
		}
		byKey[v.Key] = v
	}
	const file = "conf/config.yaml:"
	for _, want := range []api.ConfigValue{
		{Key: "credentials.mock", Value: "true", Origin: file + "1"},
		{Key: "credentials.external_id", Value: `"[redacted]"`, Origin: file + "1"},
		{Key: "ec2.user_data", Value: `"[redacted]"`, Origin: file + "3"},
		{Key: "ec2.life_cycle", Value: "on-demand", Origin: file + "4"},
		{Key: "ec2.instance_type", Value: "t3.nano", Origin: "--set"},
		{Key: "aws.region", Value: "eu-west-1", Origin: "MOCK_EC2_METADATA__AWS__REGION"},
		{Key: "ec2.tags.team", Value: `"<b>a</b>: # \" x"`, Origin: file + "5"},
		{Key: "metadata.meta-data/thing", Value: `"[folded]"`, Origin: file + "6"},
		{Key: "metadata.meta-data/spare", Value: "null", Origin: file + "6"},
		{Key: "roles.web.iam_role", Value: "arn:aws:iam::123456789012:role/web", Origin: file + "8"},
		{Key: "roles.web.external_id", Value: `"[redacted]"`, Origin: file + "8"},
		{Key: "clients[0].role", Value: "web", Origin: file + "11"},
		{Key: "clients[0].metadata.meta-data/own", Value: `"[folded]"`, Origin: file + "13"},
		{Key: "ec2.hostname_type", Value: byKey["ec2.hostname_type"].Value, Origin: "default"},
		{Key: "server.allow_clients", Value: "[auto]", Origin: "default"},
	} {
		if byKey[want.Key] != want {
			t.Errorf("got %+v, want %+v", byKey[want.Key], want)
		}
	}
	var parsed map[string]any
	if err := yaml.Unmarshal([]byte(got.YAML), &parsed); err != nil || parsed["server"] == nil {
		t.Errorf("%v in\n%s", err, got.YAML)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(got.YAML), "\n") {
		key, rest, _ := strings.Cut(strings.TrimLeft(line, " -"), ": ")
		if rest != "" && !strings.Contains(rest, "# ") {
			t.Errorf("%s has no origin: %s", key, line)
		}
	}
}

func TestConfig_UserDataOfMetadataIsASecret(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig+"metadata: {user-data: SECRET}\n")
	if _, text := c.call(http.MethodGet, "/v1/config", ""); strings.Contains(text, "SECRET") {
		t.Error(text)
	}
}

func TestConfig_WarnsAndSaysWhatNeedsARestart(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig)
	if got := ask[api.EffectiveConfig](c, http.MethodGet, "/v1/config", ""); len(got.Warnings)+len(got.NeedsRestart) != 0 {
		t.Errorf("at first %q, %q", got.Warnings, got.NeedsRestart)
	}
	if _, text := c.call(http.MethodGet, "/v1/config", ""); !strings.Contains(text, `"warnings": []`) || !strings.Contains(text, `"needs_restart": []`) {
		t.Errorf("no lists in %s", text)
	}
	testutil.Write(t, "conf/config.yaml", mockConfig+"ec2: {instance_id: i-zz}\nserver: {console: 'off', listen: ['127.0.0.1:1']}\n")
	reloaded := ask[api.Config](c, http.MethodPost, "/v1/reload", "")
	got := ask[api.EffectiveConfig](c, http.MethodGet, "/v1/config", "")
	if !slices.Equal(got.NeedsRestart, []string{"server.listen", "server.console"}) || !slices.Equal(got.NeedsRestart, reloaded.NeedsRestart) {
		t.Errorf("a restart for %q, said %q", got.NeedsRestart, reloaded.NeedsRestart)
	}
	if len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "conf/config.yaml:2: ec2.instance_id: ") {
		t.Errorf("warnings %q", got.Warnings)
	}
	c.wantRefusal(http.MethodGet, "/v1/config?key=x", "", 422, "key", `"key": unknown parameter; this call has none`)
	c.wantRefusal(http.MethodPost, "/v1/config", "", 405, "", "Method Not Allowed")
}
