package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed static
var static embed.FS

// file is one of the page.
type file struct {
	kind    string // of its content
	tag     string // its ETag
	content []byte
}

// files are those of the page, by their path in a URL.
type files map[string]*file

// kinds are by the end of a name. Those of package mime depend on the machine.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".json":
		return "application/json"
	default:
		return "text/plain; charset=utf-8"
	}
}

// readFiles reads what the program has in it, which never fails.
func readFiles() files {
	all := files{}
	_ = fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := static.ReadFile(name)
		sum := sha256.Sum256(content)
		all[name[len("static"):]] = &file{kindOf(name), `"` + hex.EncodeToString(sum[:8]) + `"`, content}
		return err
	})
	all["/"] = all["/index.html"]
	return all
}

// serve answers GET and HEAD. A browser asks each time whether the file is new, since the daemon may be.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.tag)
	limitWriting(w)
	r.Header.Del("Range") // a wrong one would get an answer of net/http's own
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}
