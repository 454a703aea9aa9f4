package console_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// static are the files that the daemon embeds.
func static(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	root := os.DirFS("static")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(root, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestStatic_IsSmall(t *testing.T) {
	total, modules := 0, 0
	for name, body := range static(t) {
		total += len(body)
		switch path.Ext(name) {
		case ".js":
			modules++
			if lines := bytes.Count(body, []byte("\n")); lines > 250 {
				t.Errorf("%s has %d lines, more than 250", name, lines)
			}
		case ".html", ".css", ".svg":
		default:
			t.Errorf("%s: a kind of file that the page does not need", name)
		}
	}
	if total > 100<<10 {
		t.Errorf("the page has %d bytes, more than 100 KiB", total)
	}
	if modules > 12 {
		t.Errorf("the page has %d modules, more than 12", modules)
	}
}

// Under Trusted Types these throw in the browser. This finds them without one.
func TestStatic_ParsesNoMarkupAndKeepsNoCookie(t *testing.T) {
	sinks := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\(|new Function|document\.cookie|localStorage|indexedDB`)
	inline := regexp.MustCompile(`<style|\sstyle=|\son\w+=|<script[^>]*>[^<]|javascript:`)
	for name, body := range static(t) {
		if found := sinks.Find(body); found != nil {
			t.Errorf("%s: has %s", name, found)
		}
		if found := inline.Find(body); path.Ext(name) == ".html" && found != nil {
			t.Errorf("%s: has %s, which the Content-Security-Policy forbids", name, found)
		}
	}
}

// TestStatic_EndsServiceWorkers is about those that a program has left which had the port before.
func TestStatic_EndsServiceWorkers(t *testing.T) {
	main := string(static(t)["main.js"])
	ends, shows := strings.Index(main, "w.unregister()"), strings.Index(main, "await enter(")
	if ends < 0 || shows < ends || !strings.Contains(main, "navigator.serviceWorker?.getRegistrations()") {
		t.Error("main.js does not end service workers before it opens a session")
	}
}

func TestStatic_AsksNoOtherOrigin(t *testing.T) {
	address := regexp.MustCompile(`(?:https?:)?//[a-z0-9][\w.-]*\.[a-z]+`)
	for name, body := range static(t) {
		for _, found := range address.FindAllString(string(body), -1) {
			if found != "http://www.w3.org" { // name of the namespace of SVG
				t.Errorf("%s: names %s", name, found)
			}
		}
	}
}

func TestStatic_EachFileNamedIsThere(t *testing.T) {
	files := static(t)
	named := regexp.MustCompile(`(?:from |import\(|href=|src=)"(?:\./)?([\w.-]+\.(?:js|css|svg))"`)
	used := map[string]bool{"index.html": true}
	for name, body := range files {
		for _, m := range named.FindAllSubmatch(body, -1) {
			used[string(m[1])] = true
			if files[string(m[1])] == nil {
				t.Errorf("%s: names %s, which is not there", name, m[1])
			}
		}
	}
	for name := range files {
		if !used[name] {
			t.Errorf("%s: nothing uses it", name)
		}
	}
}

func TestStatic_HasAllViewsByName(t *testing.T) {
	main := string(static(t)["main.js"])
	for view := range strings.FieldsSeq("Overview Requests Tree Events Identity Connect Settings") {
		if !strings.Contains(main, `: ["`+view+`", "`+strings.ToLower(view[:1])+`", `) {
			t.Errorf("main.js: no view %s with the key %s", view, strings.ToLower(view[:1]))
		}
	}
}
