// Package importer reads what other tools say of an instance, and writes it as our configuration: bytes in, a YAML document and
// notes out. It opens no file, asks no network, and knows no default of ours: the caller takes away keys that change nothing.
package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Kind says what a Note is about.
type Kind string

// Kinds of notes, in the order in which they are printed.
const (
	// Guessed is a value that the input does not have; the YAML has a comment, too.
	Guessed Kind = "guessed"
	// Lost is what a client of the real service could see and a client of ours cannot.
	Lost Kind = "lost"
	// Hint is advice: a command that would give more.
	Hint Kind = "note"
	// Skipped is a whole instance, interface or event that is left out.
	Skipped Kind = "skipped"
)

// Note is a line on standard error.
type Note struct {
	// Subject is what it is about: an instance's id, "" for all of the input.
	Subject string
	Kind    Kind
	Name    string // of the field, in the words of the input
	Why     string
}

// String is the line without its beginning "import: ".
func (n Note) String() string {
	line := string(n.Kind) + ": "
	if n.Subject != "" {
		line = n.Subject + ": " + line
	}
	if n.Name != "" {
		line += n.Name + ": "
	}
	return redact(line + n.Why)
}

// Input is one file or answer.
type Input struct {
	// Name is how messages call it: the file's name, or "standard input".
	Name string
	// Content is as it was read; UTF-16 and a byte order mark are accepted.
	Content []byte
}

// Options of an import.
type Options struct {
	Instances []string // ids; none: all
	All       bool     // stopped and terminated ones, too
	ByAddress bool     // clients by from: [addresses] instead of listen
	BasePort  int      // of clients[].listen
	// SourceProfile takes the place of mock: true. "" keeps made-up credentials.
	SourceProfile string
	UserData      bool
	HopLimit      bool
	// As is the kind of the input: ec2, aemm, cloud-init, flags; "" looks at its top-level keys.
	As string
	// Args are the arguments after --, of tools that have flags in place of a file.
	Args []string
	// Environ are "KEY=value", of tools that read variables, too.
	Environ []string
}

// Result is an import.
type Result struct {
	// Source is what the first line of the YAML names: "describe-instances", "amazon-ec2-metadata-mock", …
	Source string
	// Instances are those found, sorted by id.
	Instances []*Instance
	// Notes are those about all of the input.
	Notes []Note
	// NotNeeded is how many fields have no meaning here.
	NotNeeded int
}

// AllNotes returns the notes about the input and each instance, sorted by subject, kind and name.
func (r *Result) AllNotes() []Note {
	all := slices.Clone(r.Notes)
	for _, in := range r.Instances {
		all = append(all, in.Notes...)
	}
	slices.SortStableFunc(all, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Why, b.Why))
	})
	return slices.Compact(all)
}

// kind is one kind of input.
type kind struct {
	as     string // the word of Options.As
	source string // of Result.Source
	// has reports whether an object's top-level key is one of this kind.
	has func(key string) bool
	// single reports whether an element of a bare list, or an object without such a key, is of this kind. It may be nil.
	single func(keys map[string]bool) bool
	// read adds instances and notes to a reading. It is called once for all documents of the kind.
	read func(*reading) error
}

// kinds are all that an import understands. Of several whose key an object has, the first one counts: manifests have metadata, too.
func kinds() []kind {
	return []kind{
		{as: "ec2", source: "describe-instances", has: isEC2Key, single: isEC2Instance, read: readEC2},
		{as: "cloud-init", source: "cloud-init", has: isCloudInitKey, read: readCloudInit},
		{as: "config", source: "a configuration", has: isOwnKey, read: readOwn},
		{as: "flags", source: "flags", has: isFlagsKey, single: isManifest, read: readFlags},
		{as: "aemm", source: "amazon-ec2-metadata-mock", has: isAEMMKey, read: readAEMM},
	}
}

// reading is an import while it goes on.
type reading struct {
	opt  Options
	docs []*document
	Result
}

// note adds a note about all of the input.
func (r *reading) note(kind Kind, name, format string, args ...any) {
	r.Notes = append(r.Notes, Note{Kind: kind, Name: name, Why: fmt.Sprintf(format, args...)})
}

// Read finds the instances in one or more inputs, which are of one kind. Its errors start with the input's name.
func Read(inputs []Input, opt Options) (*Result, error) {
	r := reading{opt: opt}
	if err := r.read(inputs); err != nil {
		return nil, RedactError(err)
	}
	result := r.Result // without the documents, which are large
	return &result, nil
}

func (r *reading) read(inputs []Input) error {
	for _, in := range inputs {
		d, err := parse(in)
		if err != nil {
			return err
		}
		r.docs = append(r.docs, d)
	}
	k, err := kindOf(r.docs, r.opt.As)
	if err != nil {
		return err
	}
	r.Source = k.source
	if err := k.read(r); err != nil {
		return err
	}
	for _, in := range r.Instances {
		in.withoutSecrets()
	}
	slices.SortStableFunc(r.Instances, func(a, b *Instance) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

// Instance is what every source fills in: one instance in the words of our configuration. Merge makes one configuration of several.
type Instance struct {
	ID      string
	Role    string // the name of its role in IAM; "" without an instance profile
	RoleARN string
	// RoleGuess says why RoleARN is a guess; "" if the input has it.
	RoleGuess string
	// Addresses are those that its clients would have, for ByAddress.
	Addresses []string
	Notes     []Note
	// AllIsMetadata says that each value is a key of metadata, too, so that a client sees it without its other key.
	AllIsMetadata bool
	// Keys are those of the configuration but for credentials' iam_role, mock and source_profile, in any order.
	Keys []Key
}

// Key is one key of a configuration and its value, a text, a list of texts, or any other node.
type Key struct {
	// Path is the place, such as ec2, tags, Name. An element of a list of blocks is [0].
	Path  []string
	Value *yaml.Node
	// Keep says that the key stays even if it changes nothing.
	Keep bool
}
