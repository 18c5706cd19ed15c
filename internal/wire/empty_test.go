package wire

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/bind"
)

// TestEmptyMeansUnset sends, for each operation, each optional member at any depth empty, as tools do
// that have nothing to say. No constraint stands against it.
func TestEmptyMeansUnset(t *testing.T) {
	t.Parallel()
	sent := 0
	for name, ops := range operations(nil) {
		s := service(t, name, ops)
		for _, op := range s.faces[0].ops {
			eachMember(op.input, nil, func(path []bind.Field) {
				empty, ok := emptyOf(s.faces[0].protocol, path[len(path)-1].Type)
				if !ok || path[len(path)-1].Required {
					return
				}
				sent++
				in := op.input.Read(within(path, empty), op.mask, false)
				for _, fault := range in.Faults.Violations {
					if fault.Rule != bind.Required {
						t.Errorf("%s: %s", op.name, fault)
					}
				}
				for _, fault := range in.Faults.Malformed {
					t.Errorf("%s: %+v", op.name, fault)
				}
			})
		}
	}
	if sent < 1000 {
		t.Errorf("only %d members were sent empty", sent)
	}
}

// TestAnEmptyParameterIsUnset: no handler sees one that is a string, not even where
// nothing says how long it must be; nested ones may mean something.
func TestAnEmptyParameterIsUnset(t *testing.T) {
	t.Parallel()
	s, err := NewService("ecs", Op("RunTask", none[ecs.RunTaskInput, ecs.RunTaskOutput]).On("*: *").Lacks("*", "it is for a test").Takes("*"))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.RunTask")
	c, err := s.Decode(r, []byte(`{"taskDefinition":"web","group":"","startedBy":"","tags":[{"key":"a","value":""}],"cluster":""}`))
	if err != nil {
		t.Fatal(err)
	}
	in := c.Input.(*ecs.RunTaskInput)
	if in.Group != nil || in.StartedBy != nil || in.Cluster != nil || len(in.Tags) != 1 || in.Tags[0].Value == nil || *in.Tags[0].Value != "" {
		t.Errorf("read %+v", in)
	}
}

// eachMember visits the members of t at any depth, each with the way to it.
func eachMember(t *bind.Type, way []bind.Field, visit func(path []bind.Field)) {
	for t.Kind == bind.List || t.Kind == bind.Map {
		t = t.Elem
	}
	if len(way) > deepest {
		return
	}
	for _, f := range t.Fields {
		path := append(slices.Clip(way), f)
		visit(path)
		eachMember(f.Type, path, visit)
	}
}

// emptyOf is how a client of the protocol sends an empty value of type t; ok is false when it can't.
func emptyOf(p Protocol, t *bind.Type) (v bind.Value, ok bool) {
	if p != AWSJSON11 {
		return bind.Value{Kind: bind.Plain}, true
	}
	switch t.Kind {
	case bind.String:
		return bind.Value{Kind: bind.Text}, true
	case bind.List:
		return bind.Value{Kind: bind.Array}, true
	case bind.Map:
		return bind.Value{Kind: bind.Object}, true
	}
	return v, false
}

// within is a request in which v stands at path.
func within(path []bind.Field, v bind.Value) bind.Value {
	for i, f := range slices.Backward(path) {
		v = bind.Value{Kind: bind.Object, Names: []string{f.In}, Items: []bind.Value{v}}
		if i == 0 {
			break
		}
		for t := path[i-1].Type; t.Kind == bind.List || t.Kind == bind.Map; t = t.Elem {
			if t.Kind == bind.List {
				v = bind.Value{Kind: bind.Array, Items: []bind.Value{v}}
				continue
			}
			v = bind.Value{Kind: bind.Object, Names: []string{"key"}, Items: []bind.Value{v}}
		}
	}
	return v
}

// TestAnswersHaveTheirLists writes an answer of each operation in which nothing is set: each list at its
// top is there, as clients read it without asking.
func TestAnswersHaveTheirLists(t *testing.T) {
	t.Parallel()
	lists := 0
	for name, ops := range operations(nil) {
		s := service(t, name, ops)
		for _, op := range s.faces[0].ops {
			w := httptest.NewRecorder()
			if err := s.Encode(w, &Call{Operation: op.name, op: op, face: s.faces[0]}, "req-1", reflect.New(op.out).Interface()); err != nil {
				t.Fatal(err)
			}
			for _, f := range op.output.Fields {
				if f.Type.Kind != bind.List || f.Type.Flattened || f.Flattened { // a flat list has no element of its own
					continue
				}
				lists++
				want := "<" + f.Out + "></" + f.Out + ">"
				if s.faces[0].protocol == AWSJSON11 {
					want = string(awsjson.AppendText(nil, f.Out)) + ":[]"
				}
				if !strings.Contains(w.Body.String(), want) || w.Code != http.StatusOK {
					t.Errorf("%s: the answer has no %s: %s", op.name, want, w.Body)
				}
			}
		}
	}
	if lists < 80 {
		t.Errorf("only %d lists were looked for", lists)
	}
}
