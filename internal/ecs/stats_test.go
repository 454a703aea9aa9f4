package ecs

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"testing"

	"mock-ec2-metadata/internal/caller"
)

const (
	webStats   = `{"read":"\u003cnow\u003e","num_procs":0}`
	webStatsV4 = `{"read":"\u003cnow\u003e","num_procs":0,"network_rate_stats":{"rx_bytes_per_sec":1.5,"tx_bytes_per_sec":0}}`
	dbStats    = `{"read":"now"}`
)

func TestStats_OfAContainer(t *testing.T) {
	m := newMetadata(sample(), nil)
	web, db := endpointOf(idWeb), endpointOf(idDB)
	for path, want := range map[string]string{
		"/v4/" + web + "/stats": webStatsV4,
		"/v3/" + web + "/stats": webStats,
		"/v2/stats/" + idWeb:    webStats,
		"/v4/" + db + "/stats":  dbStats,
		"/v3/" + db + "/stats":  dbStats,
	} {
		t.Run(path, func(t *testing.T) { wantJSON(t, get(m, container(idWeb), path), http.StatusOK, want) })
	}
}

func TestStats_OfATaskHaveAllItsContainers(t *testing.T) {
	m := newMetadata(sample(), nil)
	of := func(web, db, job string) string {
		return fmt.Sprintf(`{"%s":%s,"%s":%s,"%s":%s}`, idWeb, web, idDB, db, idJob, job)
	}
	web := endpointOf(idWeb)
	wantJSON(t, get(m, Asker{}, "/v4/"+web+"/task/stats"), http.StatusOK, of(webStatsV4, dbStats, "{}"))
	wantJSON(t, get(m, Asker{}, "/v3/"+web+"/task/stats"), http.StatusOK, of(webStats, dbStats, "null"))
	wantJSON(t, get(m, container(idDB), "/v2/stats"), http.StatusOK, of(webStats, dbStats, "null"))
	wantJSON(t, get(m, container(idLone), "/v2/stats/"), http.StatusOK, `{"`+idLone+`":null}`)
}

func TestStats_WithoutFiguresAreTheErrorOfTheAgent(t *testing.T) {
	m := newMetadata(sample(), func(o *MetadataOptions) { o.Fixed = []Fixed{{ID: "one", Name: "app", DockerID: "fixed"}} })
	lone := endpointOf(idLone)
	wantText(t, get(m, Asker{}, "/v4/"+lone+"/stats"), http.StatusInternalServerError, "Unable to get container stats for: "+idLone)
	wantText(t, get(m, Asker{}, "/v3/"+lone+"/stats"), http.StatusBadRequest, "Unable to get container stats for: "+idLone)
	wantText(t, get(m, Asker{}, "/v4/one/stats"), http.StatusInternalServerError, "Unable to get container stats for: fixed")
	wantJSON(t, get(m, Asker{}, "/v4/one/task/stats"), http.StatusOK, `{"fixed":{}}`)
}

func TestStats_OfATaskLeaveOutTheContainerThatFails(t *testing.T) {
	e := sample()
	e.statsErr = errEngine
	wantJSON(t, get(newMetadata(e, nil), Asker{}, "/v4/"+endpointOf(idWeb)+"/task/stats"), http.StatusOK,
		`{"`+idWeb+`":{},"`+idDB+`":{},"`+idJob+`":{}}`)
}

func TestStats_OfATaskAskForWhatRuns(t *testing.T) {
	e := sample()
	e.stats[idJob] = e.stats[idDB]
	rec := get(newMetadata(e, nil), Asker{}, "/v3/"+endpointOf(idDB)+"/task/stats")
	wantJSON(t, rec, http.StatusOK, `{"`+idWeb+`":`+webStats+`,"`+idDB+`":`+dbStats+`,"`+idJob+`":null}`)
}

func TestStats_TakeWhatIsAnObject(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stats caller.Stats
		want  string // "": no figures
	}{
		{"empty object", caller.Stats{Docker: json.RawMessage("{ }"), Rates: true}, `{"network_rate_stats":{"rx_bytes_per_sec":0,"tx_bytes_per_sec":0}}`},
		{"no number", caller.Stats{Docker: json.RawMessage("{}"), Rates: true, RxPerSecond: math.NaN()}, "{}"},
		{"null", caller.Stats{Docker: json.RawMessage("null"), Rates: true}, ""},
		{"list", caller.Stats{Docker: json.RawMessage("[1]")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := sample()
			e.stats[idWeb] = &tt.stats
			rec := get(newMetadata(e, nil), Asker{}, "/v4/"+endpointOf(idWeb)+"/stats")
			if tt.want == "" {
				wantText(t, rec, http.StatusInternalServerError, "Unable to get container stats for: "+idWeb)
				return
			}
			wantJSON(t, rec, http.StatusOK, tt.want)
		})
	}
}

func TestStats_FailIfTheEngineGivesNoJSON(t *testing.T) {
	for _, body := range []string{"", `{"a":`, "x"} {
		e := sample()
		e.stats[idWeb] = &caller.Stats{Docker: json.RawMessage(body)}
		m := newMetadata(e, nil)
		wantText(t, get(m, Asker{}, "/v4/"+endpointOf(idWeb)+"/stats"), http.StatusInternalServerError, noEngine)
		wantJSON(t, get(m, Asker{}, "/v4/"+endpointOf(idWeb)+"/task/stats"), http.StatusOK, `{"`+idWeb+`":{},"`+idDB+`":`+dbStats+`,"`+idJob+`":{}}`)
	}
}

func TestStats_AskTheEngineForManyContainers(t *testing.T) {
	e := &engine{stats: map[string]*caller.Stats{}}
	for i := range 3 * maxStatsCalls {
		id := fmt.Sprintf("%064x", i)
		e.containers = append(e.containers, &caller.Container{ID: id, Project: "p", Status: "running"})
		e.stats[id] = &caller.Stats{Docker: json.RawMessage(dbStats)}
	}
	rec := get(newMetadata(e, nil), container(e.containers[0].ID), "/v2/stats")
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for id, figures := range got {
		if figures == nil {
			t.Errorf("%s has none", id)
		}
	}
	if len(got) != len(e.containers) {
		t.Errorf("%d containers, want %d", len(got), len(e.containers))
	}
}
