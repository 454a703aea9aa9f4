package imds

import (
	"net/http"

	"mock-ec2-metadata/internal/web"
)

// notFoundPage is the service's 404 page, 339 bytes (imds-reference section 4).
const notFoundPage = `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
` + "\t\t " + `"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>404 - Not Found</title>
 </head>
 <body>
  <h1>404 - Not Found</h1>
 </body>
</html>
`

var (
	notFoundBody   = []byte(notFoundPage)
	notFoundLength = web.Length(notFoundBody)
)

// NotFound answers 404 with the service's page.
func NotFound(w http.ResponseWriter, r *http.Request) {
	render(w, r, &web.Error{Status: http.StatusNotFound})
}

// render writes an error as the service does: a page for 404, otherwise an empty body.
func render(w http.ResponseWriter, _ *http.Request, e *web.Error) {
	if e.Allow != "" {
		w.Header().Set("Allow", e.Allow)
	}
	if e.RetryAfter != "" {
		w.Header()["Retry-After"] = []string{e.RetryAfter}
	}
	if e.Status == http.StatusNotFound {
		web.WriteMade(w, e.Status, textHTML, notFoundLength, notFoundBody)
		return
	}
	if e.Text != "" {
		body := []byte(e.Text + "\n")
		web.WriteMade(w, e.Status, textPlain, web.Length(body), body)
		return
	}
	web.WriteMade(w, e.Status, textPlain, noLength, nil)
}
