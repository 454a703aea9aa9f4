package credentials

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	roleARN   = "arn:aws:iam::123456789012:role/some/path/myrole"
	targetARN = "arn:aws:iam::210987654321:role/other/path/target"
)

// fullSpec has a value in each field, and shares none with other calls.
func fullSpec() Spec {
	return Spec{
		Profile: "work", Region: "us-east-1", RoleARN: roleARN, SessionName: "session", Duration: time.Hour, ExternalID: "hunter2hunter2",
		SourceIdentity: "alice", SessionTags: map[string]string{"a": "1", "b": "2", "c": "3"}, TransitiveTagKeys: []string{"a", "b"},
		Policy: "{}", PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, MFASerial: "arn:aws:iam::123456789012:mfa/developer", Mock: true,
		RefreshBefore: 15 * time.Minute, Cache: true,
		Session: "pod 1",
		Target:  Target{RoleARN: targetARN, ExternalID: "hunter3hunter3", Policy: "{}"},
	}
}

// change gives a field another value.
func change(t *testing.T, field reflect.Value) {
	t.Helper()
	switch field.Kind() {
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Int64:
		field.SetInt(field.Int() + 1)
	case reflect.Bool:
		field.SetBool(!field.Bool())
	case reflect.Slice:
		field.Set(reflect.Append(field, reflect.ValueOf("x")))
	case reflect.Map:
		field.SetMapIndex(reflect.ValueOf("x"), reflect.ValueOf("x"))
	default:
		t.Fatalf("no change known for a %v", field.Type())
	}
}

// keyFields are the places of all fields of a Spec that its key has: of all but Entry and Subject. A Target has fields of its own.
func keyFields(t *testing.T) map[string][]int {
	t.Helper()
	fields := map[string][]int{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Spec]()) {
		if f.Name != "Entry" && f.Name != "Subject" && f.Name != "Target" {
			fields[f.Name] = f.Index
		}
	}
	target, _ := reflect.TypeFor[Spec]().FieldByName("Target")
	for _, f := range reflect.VisibleFields(target.Type) {
		fields["Target."+f.Name] = append(slices.Clone(target.Index), f.Index...)
	}
	if len(fields) < 18 {
		t.Fatalf("%d fields only", len(fields))
	}
	return fields
}

func TestSpecKey_EveryFieldCounts(t *testing.T) {
	for name, index := range keyFields(t) {
		t.Run(name, func(t *testing.T) {
			s := fullSpec()
			field := reflect.ValueOf(&s).Elem().FieldByIndex(index)
			if field.IsZero() {
				t.Fatal("fullSpec has no value here")
			}
			change(t, field)
			if s.Key() == fullSpec().Key() {
				t.Error("another value gives the same key")
			}
			field.SetZero()
			if s.Key() == fullSpec().Key() {
				t.Error("no value gives the same key")
			}
		})
	}
}

func TestSpecKey_EqualSpecsHaveEqualKeys(t *testing.T) {
	want := fullSpec().Key()
	for range 100 { // the order of a map is random
		if fullSpec().Key() != want {
			t.Fatal("two keys of equal Specs")
		}
	}
	empty := Spec{SessionTags: map[string]string{}, TransitiveTagKeys: []string{}, PolicyARNs: []string{}}
	if empty.Key() != (Spec{}).Key() {
		t.Error("empty collections give another key than none")
	}
}

func TestSpecKey_ValuesDoNotRunIntoEachOther(t *testing.T) {
	specs := map[string]Spec{
		"profile ab":          {Profile: "ab"},
		"profile a, region b": {Profile: "a", Region: "b"},
		"region ab":           {Region: "ab"},
		"quote in a profile":  {Profile: `a", Region:"b`},
		"one policy":          {PolicyARNs: []string{"a, b"}},
		"two policies":        {PolicyARNs: []string{"a", "b"}},
		"quote in a policy":   {PolicyARNs: []string{`a", "b`}},
		"one tag":             {SessionTags: map[string]string{"a": "1", "b": "2"}},
		"quote in a tag":      {SessionTags: map[string]string{"a": `1", "b":"2`}},
		"length in a tag":     {SessionTags: map[string]string{"a": "x\x01b", "c": "y"}},
		"length in the next":  {SessionTags: map[string]string{"a": "x", "b": "\x01cy"}},
		"invalid UTF-8":       {Policy: "\xff"},
		"other invalid UTF-8": {Policy: "\xfe"},
		"replacement":         {Policy: "\ufffd"},
		"target":              {Target: Target{RoleARN: "a"}},
		"its external id":     {Target: Target{ExternalID: "a"}},
		"its policy":          {Target: Target{Policy: "a"}},
		"target in a tag":     {SessionTags: map[string]string{"a": "1\x01a\x00\x00"}},
	}
	names := map[[32]byte]string{}
	for name, s := range specs {
		if other, taken := names[s.Key()]; taken {
			t.Errorf("%s and %s have the same key", name, other)
		}
		names[s.Key()] = name
	}
}

func TestSpecKey_EntriesThatAskForTheSameShareIt(t *testing.T) {
	one, other := fullSpec(), fullSpec()
	other.Entry = "roles.other"
	if one.Key() != other.Key() {
		t.Error("the keys differ")
	}
}

// TestSpecKey_FieldSplitsDoNotCollide moves a byte between any two fields that hold text, and between two elements.
func TestSpecKey_FieldSplitsDoNotCollide(t *testing.T) {
	// texts sets a field to a text in all ways that it can hold one.
	texts := func(field reflect.Value, text string) []reflect.Value {
		switch field.Kind() {
		case reflect.String:
			return []reflect.Value{reflect.ValueOf(text)}
		case reflect.Slice:
			half := len(text) / 2
			return []reflect.Value{reflect.ValueOf([]string{text}), reflect.ValueOf([]string{text[:half], text[half:]}), reflect.ValueOf([]string{text, ""})}
		case reflect.Map:
			return []reflect.Value{reflect.ValueOf(map[string]string{text: ""}), reflect.ValueOf(map[string]string{"": text})}
		default:
			return nil
		}
	}
	specs := map[[32]byte]Spec{}
	fields := slices.Collect(maps.Values(keyFields(t)))
	n := 0
	for _, i := range fields {
		for _, j := range fields {
			for split := range 4 { // "abc" is the text of both fields together; an empty one is the other's alone
				var s Spec
				first, second := reflect.ValueOf(&s).Elem().FieldByIndex(i), reflect.ValueOf(&s).Elem().FieldByIndex(j)
				for _, a := range texts(first, "abc"[:split]) {
					first.Set(a)
					for _, b := range texts(second, "abc"[split:]) {
						second.Set(b)
						if other, taken := specs[s.Key()]; taken && !cmp.Equal(other, s, cmpopts.EquateEmpty()) {
							t.Fatalf("%s and %s have the same key", plain(other), plain(s))
						}
						specs[s.Key()] = s
						n++
					}
				}
			}
		}
	}
	if n < 500 {
		t.Errorf("%d Specs only", n)
	}
}

// plain prints all fields.
func plain(s Spec) string {
	type fields Spec
	type target Target
	return fmt.Sprintf("%+v to %+v", fields(s), target(s.Target))
}

func TestSpecHolder(t *testing.T) {
	direct := func(s *Spec) { s.Target = Target{} }
	for _, tt := range []struct {
		name   string
		from   func(*Spec) // nil: the full one
		change func(*Spec)
		equal  bool
	}{
		{name: "nothing", change: func(*Spec) {}, equal: true},
		{name: "profile of a role", change: func(s *Spec) { s.Profile = "other" }, equal: true},
		{name: "profile without a role", from: func(s *Spec) { s.RoleARN = "" }, change: func(s *Spec) { s.Profile = "other" }},
		{name: "region", change: func(s *Spec) { s.Region = "eu-west-1" }, equal: true},
		{name: "role", change: func(s *Spec) { s.RoleARN += "2" }},
		{name: "session name", change: func(s *Spec) { s.SessionName = "other" }},
		{name: "duration", change: func(s *Spec) { s.Duration = 2 * time.Hour }, equal: true},
		{name: "external id", from: direct, change: func(s *Spec) { s.ExternalID = "other" }, equal: true},
		{name: "external id of a role with a target", change: func(s *Spec) { s.ExternalID = "other" }},
		{name: "role without a target", from: direct, change: func(s *Spec) { s.RoleARN += "2" }},
		{name: "target", change: func(s *Spec) { s.Target.RoleARN += "2" }},
		{name: "no target", change: direct},
		{name: "external id of the target", change: func(s *Spec) { s.Target.ExternalID = "other" }},
		{name: "policy of the target", change: func(s *Spec) { s.Target.Policy = "" }},
		{name: "the target itself", change: func(s *Spec) { s.RoleARN, s.Target = s.Target.RoleARN, Target{} }},
		{name: "source identity", change: func(s *Spec) { s.SourceIdentity = "bob" }},
		{name: "session tag", change: func(s *Spec) { s.SessionTags["a"] = "2" }},
		{name: "transitive tags", change: func(s *Spec) { s.TransitiveTagKeys = []string{"a"} }},
		{name: "policy", change: func(s *Spec) { s.Policy = `{"Version":"2012-10-17"}` }},
		{name: "policies", change: func(s *Spec) { s.PolicyARNs = nil }},
		{name: "MFA device", change: func(s *Spec) { s.MFASerial = "" }, equal: true},
		{name: "mock", change: func(s *Spec) { s.Mock = false }},
		{name: "cache", change: func(s *Spec) { s.Cache = false }, equal: true},
		{name: "entry", change: func(s *Spec) { s.Entry = "roles.other" }},
		{name: "time of refresh", change: func(s *Spec) { s.RefreshBefore = time.Minute }, equal: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := fullSpec(), fullSpec()
			if tt.from != nil {
				tt.from(&before)
				tt.from(&after)
			}
			tt.change(&after)
			if got := before.Holder() == after.Holder(); got != tt.equal {
				t.Errorf("equal holders: %v, want %v", got, tt.equal)
			}
		})
	}
}

func TestSpecSessionARN(t *testing.T) {
	for _, tt := range []struct{ name, role, target, want string }{
		{name: "role", role: "arn:aws:iam::123456789012:role/myrole", want: "arn:aws:sts::123456789012:assumed-role/myrole/s"},
		{name: "path", role: "arn:aws-cn:iam::123456789012:role/some/path/myrole", want: "arn:aws-cn:sts::123456789012:assumed-role/myrole/s"},
		{name: "target", role: roleARN, target: targetARN, want: "arn:aws:sts::210987654321:assumed-role/target/s"},
		{name: "no role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Spec{RoleARN: tt.role, Target: Target{RoleARN: tt.target}, SessionName: "s"}).SessionARN(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSpec_NoEncodingShowsTheExternalID(t *testing.T) {
	s := fullSpec()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", struct{ S Spec }{s})
		fmt.Fprintf(&out, verb+"\n", []*Spec{&s})
		fmt.Fprintf(&out, verb+"\n", s.Target)
		fmt.Fprintf(&out, verb+"\n", &s.Target)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "p", &s, "t", s.Target)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "p", &s, "t", s.Target)
	if err := json.NewEncoder(&out).Encode(map[string]any{"s": s, "p": &s, "t": s.Target, "key": s.Key(), "holder": s.Holder()}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		s.ExternalID, fmt.Sprintf("%x", s.ExternalID), s.Target.ExternalID, fmt.Sprintf("%x", s.Target.ExternalID),
	} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s shows in\n%s", secret, out.String())
		}
	}
	for _, want := range []string{
		`spec of role "` + targetARN + `" by role "` + roleARN + `" by profile "work" [redacted]`, `target role "` + targetARN + `" [redacted]`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not printed as %s, but\n%s", want, out.String())
		}
	}
	s.Target = Target{}
	if want, got := `spec of role "`+roleARN+`" by profile "work" [redacted]`, s.String(); got != want {
		t.Errorf("printed as %s, want %s", got, want)
	}
}
