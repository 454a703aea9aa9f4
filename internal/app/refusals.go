package app

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/journal"
)

// maxRefusedPath is how many bytes of the path of a refused request are remembered: its length has not been judged yet. Other texts of a
// request are cut likewise.
const (
	maxRefusedPath = 512
	maxRefusedItem = 300
)

// recordDenial remembers what the guard refuses; r is nil for a connection.
func (a *App) recordDenial(r *http.Request, d guard.Denial) {
	refused := journal.Refusal{
		At: a.opt.Now(), Client: d.Client.String(), Rule: d.Rule, Text: strings.ToValidUTF8(d.Text, "?"), Key: d.Key, Item: d.Item,
	}
	if len(d.Item) > maxRefusedItem {
		refused.Key, refused.Item = "", ""
	}
	refused.Item = strings.Clone(refused.Item)
	if r != nil {
		refused.Method = strings.Clone(r.Method[:min(len(r.Method), maxRefusedPath)])
		path := r.URL.EscapedPath()
		if shown := ecs.LogPath(r); shown != r.URL.Path { // without the ids of roles
			path = (&url.URL{Path: shown}).EscapedPath()
		}
		refused.Path = strings.Clone(path[:min(len(path), maxRefusedPath)])
	}
	a.journal.AddRefusal(refused)
}

// Refusals returns the last 200 requests and connections that the guard has refused, with a number above after. With wait it waits for one,
// or for ctx, whose end is no error.
func (a *App) Refusals(ctx context.Context, after int64, wait bool) []api.Refused {
	if wait {
		_ = a.journal.WaitRefusal(ctx, after)
	}
	return a.refusalsOf(a.journal.Refusals(after))
}

// refusalsOf describes refusals, with what would allow them by the configuration in force.
func (a *App) refusalsOf(all []journal.Refusal) []api.Refused {
	described := []api.Refused{}
	for i := range all {
		f := &all[i]
		key, value := a.allowing(f.Key, f.Item)
		described = append(described, api.Refused{
			Seq: f.Seq, Time: f.At.UTC().Truncate(time.Millisecond), Client: f.Client, Method: f.Method, Path: f.Path,
			Rule: f.Rule, Sentence: f.Text, Key: key, Value: value,
		})
	}
	return described
}

// allowing returns the key and the whole value that would allow a refused request; "" if none would.
func (a *App) allowing(key, item string) (allowedBy, value string) {
	if key == "" {
		return "", ""
	}
	if value = a.State().Config.Config.Server.Allowing(key, item, a.networks.Auto()); value == "" {
		return "", ""
	}
	return key, value
}

// News returns the requests, the refusals, or both that have come after a position. Of more requests than most it returns the last.
func (a *App) News(at int64, requests, refusals bool, most int) api.News {
	n := a.journal.Since(at, requests, refusals)
	out := api.News{Dropped: n.Dropped, Now: n.Now, Refusals: a.refusalsOf(n.Refusals)}
	if more := len(n.Requests) - most; more > 0 {
		n.Requests, out.Dropped = n.Requests[more:], out.Dropped+int64(more)
	}
	for i := range n.Requests {
		out.Requests = append(out.Requests, requestOf(&n.Requests[i]))
	}
	return out
}

// Position is that of the newest request or refusal, for News.
func (a *App) Position() int64 { return a.journal.Position() }
