package app

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// signedDocument returns the identity document, and its fields, once its signature is verified.
func (u *unserved) signedDocument(t *testing.T) map[string]any {
	t.Helper()
	text, err := u.State().Identity.CertificatePEM(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	document := u.body("dynamic/instance-identity/document")
	signature, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(u.body("dynamic/instance-identity/signature"), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(document))
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("%v of %s", err, document)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestEvents_FreshInstancesSignTheirDocuments(t *testing.T) {
	for name, body := range map[string]string{
		"cleared": `{"spot": "stop", "notice": "1m", "then": "clear"}`, "restarted": `{"restart": true, "user_data": "again", "in": "1m"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := simulate(t, eventsConfig)
				before := u.signedDocument(t)
				u.putEvent(t, "e", body)
				time.Sleep(61 * time.Second)
				synctest.Wait()
				after := u.signedDocument(t)
				if before["pendingTime"] == after["pendingTime"] {
					t.Errorf("pendingTime stays %v", after["pendingTime"])
				}
				delete(before, "pendingTime")
				delete(after, "pendingTime")
				if !maps.Equal(flat(before), flat(after)) {
					t.Errorf("the document changed from %v to %v", before, after)
				}
				if got := u.body("meta-data/public-ipv4"); got == "198.51.100.1" || strings.HasPrefix(got, "(") {
					t.Errorf("the public address is %s", got)
				}
				if got := u.body("user-data"); name == "restarted" && got != "again" {
					t.Errorf("user data %s", got)
				}
			})
		})
	}
}

func flat(fields map[string]any) map[string]string {
	out := map[string]string{}
	for key, value := range fields {
		out[key] = fmt.Sprint(value)
	}
	return out
}

func TestEvents_DisabledEndpointAnswersStatusAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		paths := append(u.State().Target.Tree.Paths(), "/", "/latest", "/latest/meta-data/none")
		u.putEvent(t, "off", `{"options": {"http_endpoint": "disabled"}}`)
		for _, path := range paths {
			if rec := u.ask(path); rec.Code != http.StatusForbidden {
				t.Errorf("%s: %d", path, rec.Code)
			}
		}
		if rec := u.ask("/status"); rec.Code != http.StatusOK {
			t.Errorf("/status: %d", rec.Code)
		}
		u.putEvent(t, "on", `{"options": {"http_endpoint": "enabled"}}`)
		u.token(t, "127.0.0.1:1")
		if got := u.body("meta-data/instance-life-cycle"); got != "spot" {
			t.Errorf("enabled again: %s", got)
		}
	})
}

// crawl follows all listings below a directory, and fails at what is listed and absent. It returns the values.
func (u *unserved) crawl(t *testing.T, dir string, into map[string]string) {
	t.Helper()
	for name := range strings.FieldsSeq(u.body(dir)) {
		switch body := u.body(dir + name); {
		case strings.HasPrefix(body, "(Not"):
			t.Errorf("%s%s is listed: %s", dir, name, body)
		case strings.HasSuffix(name, "/"):
			u.crawl(t, dir+name, into)
		default:
			into[dir+name] = body
		}
	}
}

func TestEvents_AttachedInterfaceListsOnlyWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mac = "meta-data/network/interfaces/macs/0a:1b:2c:3d:4e:61/"
		u := simulate(t, eventsConfig)
		u.putEvent(t, "n", `{"network": "attach", "interface": {"mac": "0a:1b:2c:3d:4e:61"}, "lag": "10s"}`)
		var numbers []string
		leaves := 0
		for range 12 {
			all := map[string]string{}
			u.crawl(t, "meta-data/", all)
			numbers = append(numbers, all[mac+"device-number"])
			if len(all) < leaves {
				t.Errorf("%d leaves, and then %d", leaves, len(all))
			}
			leaves = len(all)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if got := strings.Join(slices.Compact(numbers), " "); got != "0 1" {
			t.Errorf("device-number was %s", got)
		}
		u.putEvent(t, "d", `{"network": "detach", "mac": "0a:1b:2c:3d:4e:61"}`)
		if got := u.body(mac); got != "(Not Found)" || strings.Contains(u.body("meta-data/network/interfaces/macs/"), "4e:61") {
			t.Errorf("detached: %s", got)
		}
	})
}

// The configuration file, --set and the control API make the same answers of the same events.
func TestEvents_AreTheSameWhereverTheyComeFrom(t *testing.T) {
	const list = `[{id: m, maintenance: system-reboot, not_before: 2100-12-01T02:00:00Z, event_id: instance-event-0123456789abcdef0}, {id: s, spot: stop, rebalance: 0s},
  {id: a, asg: Standby}, {id: t, tags: {set: {Team: blue}, unset: [Name]}}, {id: n, network: attach}, {id: p, public_ip: 198.51.100.7},
  {id: x, set: {meta-data/x/y: "1"}, unset: [meta-data/ami-id]}, {id: b, profile: break, code: NoRole}]`
	signed := regexp.MustCompile(`/(pkcs7|rsa2048|signature)$`) // each daemon has a key of its own
	answers := func(t *testing.T, make func(t *testing.T) *unserved) (all map[string]string, specs []api.Event) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			u := make(t)
			synctest.Wait()
			all, specs = u.everything(), u.Events()
		})
		maps.DeleteFunc(all, func(path, _ string) bool { return signed.MatchString(path) })
		return all, specs
	}
	file, specs := answers(t, func(t *testing.T) *unserved { return simulate(t, eventsConfig+"events: "+list+"\n") })
	for name, make := range map[string]func(t *testing.T) *unserved{
		"--set": func(t *testing.T) *unserved {
			testutil.IsolateHome(t)
			testutil.Write(t, "conf/config.yaml", eventsConfig)
			time.Sleep(400 * time.Millisecond)
			u := newUnserved(t, options(load(t, "", "events="+list)))
			u.begin(t)
			return u
		},
		"API": func(t *testing.T) *unserved {
			u := simulate(t, eventsConfig)
			for _, e := range specs {
				u.putEvent(t, e.ID, string(e.Spec))
			}
			return u
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, events := answers(t, make)
			for path, want := range file {
				if got[path] != want {
					t.Errorf("%s: %q, want %q", path, got[path], want)
				}
			}
			if len(got) != len(file) || len(events) != 8 {
				t.Errorf("%d paths, want %d; %d events", len(got), len(file), len(events))
			}
			for i, e := range events {
				if string(e.Spec) != string(specs[i].Spec) {
					t.Errorf("%s: %s, want %s", e.ID, e.Spec, specs[i].Spec)
				}
			}
		})
	}
}
