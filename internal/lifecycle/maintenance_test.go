package lifecycle

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

const (
	scheduledPath = "events/maintenance/scheduled"
	historyPath   = "events/maintenance/history"
)

func TestMaintenance_DefaultsOfEachCode(t *testing.T) {
	const degraded = "The instance is running on degraded hardware"
	for _, tt := range []struct{ code, description, notAfter string }{
		{"instance-stop", degraded, ""},
		{"instance-retirement", degraded, ""},
		{"instance-reboot", "scheduled reboot", "    \"NotAfter\" : \"06 Dec 2026 14:00:00 GMT\",\n"},
		{"system-reboot", "scheduled reboot", "    \"NotAfter\" : \"06 Dec 2026 14:00:00 GMT\",\n"},
		{"system-maintenance", "scheduled maintenance", "    \"NotAfter\" : \"06 Dec 2026 14:00:00 GMT\",\n"},
	} {
		t.Run(tt.code, func(t *testing.T) {
			b := valid()
			s := one(t, config.Event{Maintenance: tt.code}, b)
			want := "[ \n  {\n    \"NotBefore\" : \"06 Dec 2026 12:00:00 GMT\",\n    \"Code\" : \"" + tt.code + "\",\n    \"Description\" : \"" + tt.description +
				"\",\n    \"EventId\" : \"" + s.Events()[0].eventID() + "\",\n" + tt.notAfter + "    \"State\" : \"active\"\n  } \n]"
			wantLeaves(t, treeAt(t, s, b, 0), map[string]string{scheduledPath: want, historyPath: "[]"})
			if id := s.Events()[0].eventID(); len(id) != len("instance-event-")+17 {
				t.Errorf("id %s", id)
			}
		})
	}
}

func TestMaintenance_ShowsWhatIsGiven(t *testing.T) {
	b := valid()
	s := one(t, config.Event{
		Maintenance: "instance-stop", NotBefore: "2026-12-01T03:00:00+01:00", NotAfter: "2026-12-01T04:00:00Z",
		Description: `a "b" <c>`, EventID: "instance-event-0d59937288b749b32",
	}, b)
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{scheduledPath: `[ 
  {
    "NotBefore" : "01 Dec 2026 02:00:00 GMT",
    "Code" : "instance-stop",
    "Description" : "a \"b\" <c>",
    "EventId" : "instance-event-0d59937288b749b32",
    "NotAfter" : "01 Dec 2026 04:00:00 GMT",
    "State" : "active"
  } 
]`})
}

// entries parses a list of maintenance events as clients do.
func entries(t *testing.T, text string) []map[string]string {
	t.Helper()
	var all []map[string]string
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, e := range all {
		for _, key := range []string{"NotBefore", "NotAfter"} {
			if e[key] == "" && key == "NotAfter" {
				continue
			}
			if _, err := time.Parse("2 Jan 2006 15:04:05 GMT", e[key]); err != nil {
				t.Error(err)
			}
		}
	}
	return all
}

// states are the descriptions and states of a list.
func states(t *testing.T, text string) [][2]string {
	t.Helper()
	var all [][2]string
	for _, e := range entries(t, text) {
		all = append(all, [2]string{e["Description"], e["State"]})
	}
	return all
}

func TestMaintenance_CompleteAndCancelMoveToTheHistory(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Maintenance: "system-reboot", Description: "late", NotBefore: "2026-12-03T00:00:00Z"}, b)
	s = mustAdd(t, s, "e2", config.Event{Maintenance: "instance-stop", Description: "early", NotBefore: "2026-12-02T00:00:00Z", EventID: "instance-event-1"}, b, start)
	if diff := cmp.Diff([][2]string{{"early", "active"}, {"late", "active"}}, states(t, body(treeAt(t, s, b, 0), scheduledPath))); diff != "" {
		t.Error(diff)
	}
	s, e, err := s.Maintain("e1", config.MaintenanceVerb{Verb: "complete"}, start.Add(time.Minute))
	if err != nil || e.ID != "e1" || e.PhaseAt(start.Add(time.Minute)).Name != Completed || e.PhaseAt(start).Name != Scheduled {
		t.Fatal(e, err)
	}
	now := treeAt(t, s, b, time.Minute)
	if diff := cmp.Diff([][2]string{{"early", "active"}}, states(t, body(now, scheduledPath))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][2]string{{"[Completed] late", "completed"}}, states(t, body(now, historyPath))); diff != "" {
		t.Error(diff)
	}
	s, e, err = s.Maintain("instance-event-1", config.MaintenanceVerb{Verb: "cancel"}, start.Add(2*time.Minute))
	if err != nil || e.ID != "e2" || e.PhaseAt(start.Add(time.Hour)).Name != Canceled {
		t.Fatal(e, err)
	}
	now = treeAt(t, s, b, time.Hour)
	wantLeaves(t, now, map[string]string{scheduledPath: "[]"})
	if diff := cmp.Diff([][2]string{{"[Canceled] early", "canceled"}, {"[Completed] late", "completed"}}, states(t, body(now, historyPath))); diff != "" {
		t.Error(diff)
	}
	// Without NotAfter, and with the same id as before.
	if e := entries(t, body(now, historyPath))[0]; e["NotAfter"] != "" || e["EventId"] != "instance-event-1" {
		t.Errorf("got %v", e)
	}
}

func TestMaintenance_SeparatesObjectsAsDocumented(t *testing.T) {
	w := window{code: "c", description: "d", id: "i", notBefore: start, state: "active"}
	const object = "  {\n    \"NotBefore\" : \"29 Nov 2026 12:00:00 GMT\",\n    \"Code\" : \"c\",\n    \"Description\" : \"d\",\n    \"EventId\" : \"i\",\n    \"State\" : \"active\"\n  }"
	if got, want := windowsJSON([]window{w, w}), "[ \n"+object+", \n"+object+" \n]"; got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestMaintenance_Reschedules(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Maintenance: "system-reboot"}, b)
	times := func(s Set) string {
		e := entries(t, body(treeAt(t, s, b, time.Hour), scheduledPath))[0]
		return e["NotBefore"] + " - " + e["NotAfter"]
	}
	for _, tt := range []struct{ notBefore, notAfter, want string }{
		{"2026-12-24T00:00:00Z", "", "24 Dec 2026 00:00:00 GMT - 24 Dec 2026 02:00:00 GMT"}, // as long as before
		{"", "2026-12-24T00:00:00Z", "06 Dec 2026 12:00:00 GMT - 24 Dec 2026 00:00:00 GMT"},
		{"2026-12-24T00:00:00Z", "2026-12-24T09:00:00Z", "24 Dec 2026 00:00:00 GMT - 24 Dec 2026 09:00:00 GMT"},
	} {
		changed, _, err := s.Maintain("e1", config.MaintenanceVerb{Verb: "reschedule", NotBefore: tt.notBefore, NotAfter: tt.notAfter}, start)
		if err != nil || times(changed) != tt.want {
			t.Errorf("got %s, %v; want %s", times(changed), err, tt.want)
		}
	}
	if got := times(s); got != "06 Dec 2026 12:00:00 GMT - 06 Dec 2026 14:00:00 GMT" {
		t.Errorf("the set before has changed: %s", got)
	}
}

func TestMaintain_Refuses(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Maintenance: "system-reboot"}, b)
	s = mustAdd(t, s, "asg", config.Event{ASG: "InService"}, b, start)
	s = mustAdd(t, s, "later", config.Event{Maintenance: "instance-stop", In: time.Hour}, b, start)
	done, _, err := s.Maintain("e1", config.MaintenanceVerb{Verb: "complete"}, start)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, id string
		verb     config.MaintenanceVerb
		conflict bool
		want     string
	}{
		{"completed", "e1", config.MaintenanceVerb{Verb: "cancel"}, true, "verb: event e1 is completed; cancel needs a scheduled one"},
		{"pending", "later", config.MaintenanceVerb{Verb: "complete"}, true, "verb: event later is pending; complete needs a scheduled one"},
		{"other kind", "asg", config.MaintenanceVerb{Verb: "complete"}, false, "verb: complete is for maintenance, and event asg is asg InService; end that with event cancel or DELETE"},
		{"unknown", "x", config.MaintenanceVerb{Verb: "complete"}, false, "id: no event x; list the events"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := done.Maintain(tt.id, tt.verb, start)
			refused(t, err, tt.conflict, tt.want)
		})
	}
	_, _, err = s.Maintain("e1", config.MaintenanceVerb{Verb: "reschedule"}, start)
	refused(t, err, false, "not_before: reschedule needs a time; write not_before, not_after or both")
	_, _, err = s.Maintain("e1", config.MaintenanceVerb{Verb: "reschedule", NotAfter: "2026-12-01T00:00:00Z"}, start)
	refused(t, err, false, "not_after: 2026-12-01T00:00:00Z is not after not_before, 2026-12-06T12:00:00Z; write a later time")
	_, _, err = s.Maintain("e1", config.MaintenanceVerb{Verb: "stop"}, start)
	refused(t, err, false, `verb: "stop" is none of complete, cancel and reschedule`)
	_, _, err = s.Add("twin", config.Event{Maintenance: "system-reboot", EventID: s.Events()[0].eventID()}, b, start)
	refused(t, err, true, "event_id: "+s.Events()[0].eventID()+" is that of event e1; choose another")
}
