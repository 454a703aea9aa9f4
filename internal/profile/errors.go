package profile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

var (
	errEmpty = errors.New("it names no command")
	errHalf  = errors.New("partial credentials: aws_secret_access_key is missing")
)

// malformedError is a value that cannot be a key. It is not quoted: it may be a secret.
type malformedError struct{ key string }

func (e *malformedError) Error() string {
	return e.key + " is empty, or has blanks or quotes in it; quotes do not belong there, and a comment needs a line of its own"
}

// MissingError is a profile that is not in the files.
type MissingError struct {
	Profile string
	// By is the profile whose source_profile names it, and ByLine the FILE:LINE of that; "" for the profile that was asked for.
	By, ByLine string
	// Why says that the files may have it: a heading that cannot be read as its, or a file that cannot be read. "" if the files
	// do not have it.
	Why string
	// Key is the key of the configuration that names the profile; "" is credentials.source_profile.
	Key string
}

func (e *MissingError) Error() string {
	subject := fmt.Sprintf("profile %q", e.Profile)
	fix := " or name another one in " + cmp.Or(e.Key, "credentials.source_profile")
	if e.By != "" {
		subject = fmt.Sprintf("profile %q has source_profile %q (%s), which", e.By, e.Profile, e.ByLine)
		fix = " or fix that line"
	}
	if e.Why != "" {
		if e.By == "" {
			subject += ","
		}
		return fmt.Sprintf("%s cannot be found: %s", strings.TrimSuffix(subject, ","), e.Why)
	}
	return fmt.Sprintf("%s is in neither of %s, %s; create it (aws configure --profile %s)%s",
		subject, ConfigFile(), CredentialsFile(), Quote(e.Profile), fix)
}

// missing makes the error of a profile that is not in the files.
func (f *Files) missing(name string) *MissingError {
	e := &MissingError{Profile: name, Why: f.near(name, "profile")}
	if e.Why == "" && len(f.unread) > 0 {
		e.Why = unreadText(f.unread)
	}
	return e
}

// UnreadError is a profile without credentials, which a file that cannot be read may have.
type UnreadError struct {
	Profile string
	Files   []error // *fs.PathError
}

func (e *UnreadError) Error() string {
	return fmt.Sprintf("profile %q has no credentials as far as can be read: %s", e.Profile, unreadText(e.Files))
}

// unreadText says which files cannot be read.
func unreadText(all []error) string {
	var texts []string
	for _, err := range all {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			texts = append(texts, fmt.Sprintf("%s cannot be read: %v", path.Path, path.Err))
		}
	}
	return strings.Join(texts, ", and ")
}

// near looks for a heading that may be meant for a name and that the AWS CLI does not read as such. kind is the word before
// the name in the config file. It returns "" if there is none.
func (f *Files) near(name, kind string) string {
	for _, s := range f.ignored {
		if meant(s.heading, kind) == fold(name) {
			return fmt.Sprintf("%s: the heading [%s] names no %s; write [%s]", where(s.file, s.line), display(s.heading), kind, headingOf(name, kind))
		}
	}
	if kind != "profile" {
		return ""
	}
	for _, other := range slices.Sorted(maps.Keys(f.profiles)) {
		e := f.profiles[other]
		if s := cmp.Or(e.credentials, e.config); meant(s.heading, kind) == fold(name) {
			return fmt.Sprintf("%s: the heading [%s] means profile %q; use one name in both places", where(s.file, s.line), display(s.heading), display(other))
		}
	}
	return ""
}

// headingOf is a name's heading in the config file.
func headingOf(name, kind string) string {
	if name == "default" && kind == "profile" {
		return name
	}
	if strings.ContainsAny(name, `"\'`) || strings.ContainsFunc(name, isSpace) {
		name = Quote(name)
	}
	return kind + " " + name
}

// meant is the folded name that a malformed heading may be meant for.
func meant(heading, kind string) string {
	text, _, _ := strings.Cut(heading, "]")
	text = fold(text)
	if rest, ok := strings.CutPrefix(text, kind); ok {
		text = rest
	}
	return fold(text)
}

// fold removes case, and blanks, quotes and backslashes around and between words.
func fold(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return isSpace(r) || strings.ContainsRune(`"'\`, r) }), " ")
}
