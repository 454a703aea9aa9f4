package metrics

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// blocking is a Collector that waits for a channel. Unlike a lock, synctest knows that.
type blocking <-chan struct{}

func (b blocking) Describe(to chan<- *prometheus.Desc) {
	to <- prometheus.NewDesc("blocking", "For tests.", nil, nil)
}

func (b blocking) Collect(chan<- prometheus.Metric) { <-b }

// stuck is a Server whose scrapes do not end until release is called. Requests are sent to its handler.
func stuck(t *testing.T) (s *Server, release func()) {
	t.Helper()
	m := New("1.2.3", time.Now)
	wait := make(chan struct{})
	m.registry.MustRegister(blocking(wait))
	s, err := m.Listen(t.Context(), "127.0.0.1:0", newFake(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, sync.OnceFunc(func() { close(wait) })
}

func (s *Server) askHandler(path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	return rec
}

func TestServer_RefusesTheFifthScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := stuck(t)
		defer release()
		var four [4]*httptest.ResponseRecorder
		var scrapes sync.WaitGroup
		for i := range four {
			scrapes.Go(func() { four[i] = s.askHandler("/metrics") })
		}
		synctest.Wait()
		began := time.Now()
		fifth := s.askHandler("/metrics")
		if fifth.Code != 503 || fifth.Body.String() != "4 scrapes are under way; try again later\n" || fifth.Header().Get("Retry-After") != "1" {
			t.Errorf("the fifth: %d %s%v", fifth.Code, fifth.Body, fifth.Header())
		}
		for _, path := range []string{"/healthz", "/readyz"} { // which are no scrapes
			if got := s.askHandler(path); got.Code != 200 {
				t.Errorf("%s: %d", path, got.Code)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		release()
		scrapes.Wait()
		for i, got := range four {
			if got.Code != 200 || !strings.Contains(got.Body.String(), "mock_ec2_metadata_build_info{") {
				t.Errorf("scrape %d: %d %s", i, got.Code, got.Body)
			}
		}
		if got := s.askHandler("/metrics"); got.Code != 200 {
			t.Errorf("later: %d", got.Code)
		}
	})
}

// TestServer_ScrapeEndsBeforeItsDeadline also checks that scrapes whose client has gone do not pile up.
func TestServer_ScrapeEndsBeforeItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := stuck(t)
		defer release()
		for range 4 {
			began := time.Now()
			if got := s.askHandler("/metrics"); got.Code != 503 || time.Since(began) != scrapeTime || scrapeTime >= answerTime {
				t.Errorf("%d %s after %v", got.Code, got.Body, time.Since(began))
			}
		}
		began := time.Now()
		if got := s.askHandler("/metrics"); got.Code != 503 || time.Since(began) != 0 {
			t.Errorf("beside four that are stuck: %d %s after %v", got.Code, got.Body, time.Since(began))
		}
		release()
		synctest.Wait()
		if got := s.askHandler("/metrics"); got.Code != 200 {
			t.Errorf("later: %d %s", got.Code, got.Body)
		}
	})
}
