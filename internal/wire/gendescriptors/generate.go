package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// generate returns the descriptor of a service with the name that requests to it are signed for, and the
// patterns that it could not take over. iam is the directory of the authorization reference; "" for none.
func generate(models, iam string, want wanted) (signingName string, file []byte, dropped []string, err error) {
	m, err := readModel(models, want.Model)
	if err != nil {
		return "", nil, nil, err
	}
	signingName = cmp.Or(m.Metadata.SigningName, m.Metadata.EndpointPrefix)
	g := generator{model: m, name: signingName, rest: strings.HasPrefix(m.Metadata.Protocol, "rest-"), inputs: map[string]bool{}, dropped: map[string]bool{}}
	s, err := g.service(want.Operations)
	if err != nil {
		return "", nil, nil, err
	}
	if iam != "" {
		if err := authorization(iam, s); err != nil {
			return "", nil, nil, err
		}
	}
	b, err := format(s)
	return signingName, b, slices.Sorted(maps.Keys(g.dropped)), err
}

// generator collects what one descriptor needs of a model.
type generator struct {
	model   *model
	name    string          // that requests are signed for
	rest    bool            // methods, paths and headers matter
	inputs  map[string]bool // shapes that an input uses
	dropped map[string]bool
}

func (g *generator) service(names []string) (*descriptor.Service, error) {
	protocols, err := g.protocols()
	if err != nil {
		return nil, err
	}
	meta := g.model.Metadata
	s := &descriptor.Service{
		SigningName: g.name, Title: meta.ServiceID, Protocols: protocols, Global: meta.GlobalEndpoint != "" && !regional[g.name], QueryCompatible: meta.QueryCompatible != nil, Version: meta.APIVersion,
		Target: meta.TargetPrefix, Namespace: g.namespace(), BareErrors: bareErrors[g.name], UnsignedPayload: unsignedPayload[g.name],
		Operations: map[string]descriptor.Operation{}, Missing: []string{},
		Errors: []descriptor.Error{}, Shapes: map[string]*descriptor.Shape{},
	}
	all, failures := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		op, ok := g.model.Operations[name]
		if !ok {
			return nil, fmt.Errorf("AWS has no operation %s", name)
		}
		s.Operations[name] = g.operation(op)
		g.walk(op.Input.Shape, g.inputs)
		g.walk(op.Input.Shape, all)
		g.walk(op.Output.Shape, all)
		for _, e := range op.Errors {
			g.walk(e.Shape, all)
			failures[e.Shape] = true
		}
	}
	for name := range all {
		s.Shapes[name] = g.shape(name)
	}
	for _, name := range slices.Sorted(maps.Keys(failures)) {
		s.Errors = append(s.Errors, g.failure(name))
	}
	for name := range g.model.Operations {
		if _, ok := s.Operations[name]; !ok {
			s.Missing = append(s.Missing, name)
		}
	}
	slices.Sort(s.Missing)
	s.Routes = g.routes()
	return s, g.readable(all)
}

// routes returns the routes of all operations of a service that has them.
func (g *generator) routes() map[string]descriptor.Route {
	if !g.rest {
		return nil
	}
	on := map[modelHTTP]int{} // how many operations have the same method and path
	for _, op := range g.model.Operations {
		on[op.HTTP.line()]++
	}
	all := map[string]descriptor.Route{}
	for name, op := range g.model.Operations {
		shared := on[op.HTTP.line()] > 1
		if shared && op.Deprecated {
			continue // another one has its place
		}
		r := descriptor.Route{Method: op.HTTP.Method, URI: op.HTTP.URI, Status: other(op.HTTP.Status, http.StatusOK)}
		if shared {
			r.Needs = g.needs(op.Input.Shape)
		}
		all[name] = r
	}
	return all
}

// needs are the required members of an input that stand beside path and body.
func (g *generator) needs(input string) (list []string) {
	sh := g.model.Shapes[input]
	for _, name := range slices.Sorted(slices.Values(sh.Required)) {
		switch m := sh.Members[name]; m.Location {
		case "querystring":
			list = append(list, "?"+cmp.Or(m.LocationName, name))
		case "header":
			list = append(list, cmp.Or(m.LocationName, name))
		}
	}
	return list
}

// readable says which of the shapes no codec reads.
func (g *generator) readable(shapes map[string]bool) error {
	for name := range shapes {
		for member, r := range g.model.Shapes[name].Members {
			if r.JSONValue {
				return fmt.Errorf("%s.%s is JSON in a header, which no codec reads", name, member)
			}
		}
	}
	return nil
}

// protocols returns those of the model, and, for a service that once spoke it alone, awsQuery: old
// clients still do.
func (g *generator) protocols() (all []string, err error) {
	meta := g.model.Metadata
	names := map[string]string{
		"json": "awsjson" + meta.JSONVersion, "query": "awsquery", "ec2": "ec2query", "rest-json": "restjson", "rest-xml": "restxml", "smithy-rpc-v2-cbor": "rpcv2cbor",
	}
	of := meta.Protocols
	if len(of) == 0 {
		of = []string{meta.Protocol}
	}
	if meta.QueryCompatible != nil && !slices.Contains(of, "query") {
		of = append(slices.Clone(of), "query")
	}
	for _, p := range of {
		if names[p] == "" {
			return nil, fmt.Errorf("protocol %q has no codec", p)
		}
		all = append(all, names[p])
	}
	return all, nil
}

// walk adds the shape and those it is made of to seen.
func (g *generator) walk(name string, seen map[string]bool) {
	if name == "" || seen[name] {
		return
	}
	seen[name] = true
	sh := g.model.Shapes[name]
	for _, m := range sh.Members {
		g.walk(m.Shape, seen)
	}
	for _, r := range []*modelRef{sh.Member, sh.Key, sh.Value} {
		if r != nil {
			g.walk(r.Shape, seen)
		}
	}
}

// open are the enums that AWS takes other values for than the model has: ECS
// reads any protocol of a port mapping that isn't udp as tcp.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html
var open = map[string]bool{"TransportProtocol": true}

// loose are the texts that AWS takes in another form than the model's pattern has: S3 decodes a copy's source first, and Terraform's
// provider encodes the slash in it, too.
var loose = map[string]bool{"s3 CopySource": true}

func (g *generator) shape(name string) *descriptor.Shape {
	m := g.model.Shapes[name]
	sh := &descriptor.Shape{
		Type: cmp.Or(retyped[g.name+" "+name], m.Type), Flattened: m.Flattened, Union: m.Union || unions[g.name+" "+name], Events: m.Events, Document: m.Document, Sensitive: m.Sensitive,
		Element: ref(cmp.Or(m.Member, m.Value)), Key: ref(m.Key),
	}
	g.entries(name, sh)
	for _, member := range slices.Sorted(maps.Keys(m.Members)) {
		r := m.Members[member]
		if m.Events && g.model.Shapes[r.Shape].Exception {
			sh.Exceptions = append(sh.Exceptions, member)
			continue
		}
		d := descriptor.Member{
			Name: member, Shape: r.Shape, Location: other(r.LocationName, member), Query: g.queryName(member, r),
			Flattened: r.Flattened, Attribute: r.XMLAttribute, Streaming: r.Streaming, Required: g.inputs[name] && slices.Contains(m.Required, member),
		}
		if g.rest {
			d.In, d.Format = r.Location, r.TimestampFormat
		}
		switch {
		case r.EventPayload:
			d.In = "eventpayload"
		case r.EventHeader:
			d.In = "eventheader"
		}
		sh.Members = append(sh.Members, d)
	}
	if g.rest {
		sh.Payload, sh.Format = m.Payload, m.Format
		sh.Prefix, sh.Namespace = m.Namespace.Prefix, m.Namespace.URI
		if sh.Prefix == "" {
			sh.Namespace = ""
		}
	}
	if !g.inputs[name] {
		return sh
	}
	sh.Min, sh.Max, sh.Enum = m.Min, m.Max, m.Enum
	if open[name] {
		sh.Enum = nil
	}
	if loose[g.name+" "+name] {
		return sh
	}
	m.Pattern = unicodeEscape.ReplaceAllString(m.Pattern, `\x{$1}`)
	if _, err := regexp.Compile(m.Pattern); err != nil {
		g.dropped[m.Pattern] = true
		return sh
	}
	sh.Pattern = m.Pattern
	return sh
}

func (g *generator) failure(name string) descriptor.Error {
	sh := g.model.Shapes[name]
	status := sh.Error.Status
	if status == 0 && sh.Fault {
		status = 500
	}
	return descriptor.Error{Shape: name, Code: cmp.Or(sh.Error.Code, queryCodes[g.name+" "+name], name), Status: cmp.Or(status, 400)}
}

func ref(r *modelRef) *descriptor.Ref {
	if r == nil {
		return nil
	}
	return &descriptor.Ref{Shape: r.Shape, Name: r.LocationName}
}

// other returns v unless it says no more than usual.
func other[T comparable](v, usual T) T {
	if v == usual {
		var zero T
		return zero
	}
	return v
}

// format writes one shape and one operation a line, so that a change reads well in a diff.
func format(s *descriptor.Service) ([]byte, error) {
	shapes, operations := s.Shapes, s.Operations
	head := *s
	head.Shapes, head.Operations, head.Routes, head.Resources = nil, nil, nil, nil
	b, err := compact(head)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSuffix(b, []byte(`,"shapes":null}`))
	b = bytes.Replace(b, []byte(`"operations":null,`), nil, 1)
	b = append(b, ",\n\"operations\":{"...)
	if b, err = lines(b, operations); err != nil {
		return nil, err
	}
	if s.Routes != nil {
		if b, err = lines(append(b, "},\n\"routes\":{"...), s.Routes); err != nil {
			return nil, err
		}
	}
	if s.Resources != nil {
		if b, err = lines(append(b, "},\n\"resources\":{"...), s.Resources); err != nil {
			return nil, err
		}
	}
	b = append(b, "},\n\"shapes\":{"...)
	if b, err = lines(b, shapes); err != nil {
		return nil, err
	}
	return append(b, "}}\n"...), nil
}

func lines[T any](b []byte, m map[string]T) ([]byte, error) {
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		line, err := compact(m[k])
		if err != nil {
			return nil, err
		}
		b = append(fmt.Appendf(b, "\n%q:", k), line...)
	}
	return b, nil
}

// compact is JSON as people write it, without escapes for HTML.
func compact(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(buf.Bytes()), err
}

// unicodeEscape is a character as Java's patterns write it, which RE2 does otherwise.
var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
