package config

import (
	"reflect"

	"gopkg.in/yaml.v3"
)

// Words of kubernetes.session.tags.
const (
	noTags  = "none"
	eksTags = "eks"
)

var podTagsType = reflect.TypeFor[PodTags]()

// decodePodTags decodes kubernetes.session.tags: a word, or a map of templates.
func (l *loader) decodePodTags(n *yaml.Node, v reflect.Value, path string) {
	at := l.at(n)
	if n = l.resolve(n, path); n == nil {
		return
	}
	var tags PodTags
	switch {
	case n.Kind == yaml.MappingNode:
		f, _ := reflect.TypeFor[PodTags]().FieldByName("Templates")
		l.decodeMap(n, reflect.ValueOf(&tags).Elem().FieldByIndex(f.Index), f.Tag, path)
	case n.Kind == yaml.ScalarNode && n.Value == eksTags:
		tags.EKS = true
	case n.Kind == yaml.ScalarNode && n.Value == noTags:
	case n.Kind == yaml.ScalarNode:
		l.fail(at, path, `%s is neither none nor eks; for tags of your own write {team: "{namespace}"}`, quote(n.Value))
		return
	default:
		l.fail(at, path, "want none, eks or a block of tags, but this is %s", kindName(n))
		return
	}
	v.Set(reflect.ValueOf(tags))
}

// value returns the tags as they are written: a word or a map.
func (t PodTags) value() reflect.Value {
	switch {
	case t.EKS:
		return reflect.ValueOf(eksTags)
	case len(t.Templates) == 0:
		return reflect.ValueOf(noTags)
	default:
		return reflect.ValueOf(t.Templates)
	}
}

// keys are the keys of the tags, sorted.
func (t PodTags) keys() []string {
	if t.EKS {
		return PodTagKeys()
	}
	return sortedKeys(t.Templates)
}
