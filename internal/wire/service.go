package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/authz"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/dialect"
	"github.com/skylift/skylift/internal/wire/gzipped"
)

// Service answers for the operations of one AWS service, in each of its protocols. It is immutable.
type Service struct {
	desc   *descriptor.Service
	words  dialect.Dialect
	faces  []*face                     // in the order in which they are tried
	errors map[string]descriptor.Error // by code
	shapes map[string]descriptor.Error // by the name of their shape
}

// face is a service in one of its protocols.
type face struct {
	protocol Protocol
	codec    codec
	ops      map[string]*operation
}

// operation is an Operation tied to its descriptor.
type operation struct {
	*spec
	input, output *bind.Type
	mask          *bind.Mask
	auth          *authz.Set
	events        *bind.Type // of the answer, where it is a stream of them
	wrapper       string
}

// NewService binds operations to the descriptor of the service with that signing name. It fails when an operation is unknown to the
// descriptor or a member does not fit the SDK's type.
func NewService(signingName string, ops ...Operation) (*Service, error) {
	desc, err := descriptor.Load(signingName)
	if err != nil {
		return nil, err
	}
	return newService(desc, ops)
}

// NewDescribed is NewService with a descriptor of one's own.
func NewDescribed(desc *descriptor.Service, ops ...Operation) (*Service, error) {
	return newService(desc, ops)
}

func newService(desc *descriptor.Service, ops []Operation) (*Service, error) {
	if len(desc.Protocols) == 0 {
		return nil, fmt.Errorf("%s: no protocol", desc.SigningName)
	}
	s := &Service{
		desc: desc, words: dialect.Of(desc),
		errors: map[string]descriptor.Error{}, shapes: map[string]descriptor.Error{},
	}
	for _, e := range desc.Errors {
		s.errors[e.Code], s.shapes[e.Shape] = e, e
	}
	for _, protocol := range desc.Protocols {
		c, err := codecOf(desc, Protocol(protocol))
		if err != nil {
			return nil, err
		}
		f := &face{protocol: Protocol(protocol), codec: c, ops: map[string]*operation{}}
		if err := f.bind(desc, ops); err != nil {
			return nil, err
		}
		s.faces = append(s.faces, f)
	}
	return s, nil
}

func codecOf(desc *descriptor.Service, protocol Protocol) (codec, error) {
	c, ok := codecs[protocol]
	if !ok {
		return nil, fmt.Errorf("%s: no codec for protocol %q", desc.SigningName, protocol)
	}
	if b, ok := c.(bound); ok {
		return b.bound(desc)
	}
	return c, nil
}

func (s *face) bind(desc *descriptor.Service, ops []Operation) error {
	b := bind.New(desc, string(s.protocol))
	for _, op := range ops {
		b.Unions(op.spec().unions...)
	}
	reference := authz.Of(desc)
	var errs []error
	var err error
	for _, op := range ops {
		o := op.spec()
		d, ok := desc.Operations[o.name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s has no operation %s in its descriptor", desc.SigningName, o.name))
			continue
		}
		if s.ops[o.name] != nil {
			errs = append(errs, fmt.Errorf("%s %s is there twice", desc.SigningName, o.name))
		}
		in, err := b.Bind(d.Input, o.in)
		errs = append(errs, err)
		out, err := b.Bind(d.Output, o.out)
		errs = append(errs, err)
		wrapper := d.Wrapper
		if wrapper == "" && desc.QueryCompatible { // its model knows no awsQuery any more
			wrapper = o.name + "Result"
		}
		s.ops[o.name] = &operation{spec: o, input: in, output: out, wrapper: wrapper}
		if o.events != nil {
			errs = append(errs, s.bindEvents(b, desc.Events(d.Output), s.ops[o.name]))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, o := range s.ops {
		o.output = o.output.Answer()
		if o.mask, err = o.spec.mask(o.input); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", desc.SigningName, err))
		}
		if o.auth, err = reference.Compile(o.name, o.input, o.spec.auth); err != nil {
			errs = append(errs, fmt.Errorf("%s: declaration of %s: %w", desc.SigningName, o.name, err))
		}
	}
	return errors.Join(errs...)
}

// Member is a member that a declaration keeps or refuses.
type Member = bind.Member

// Declaration is how the members of an operation's input stand. What it does not list is done.
type Declaration struct{ Kept, Refused []Member }

// Declaration returns that of an operation which the service has.
func (s *Service) Declaration(operation string) Declaration {
	o := s.faces[0].ops[operation]
	return Declaration{Kept: append(o.mask.Kept(o.input), o.keys...), Refused: o.mask.Refused(o.input)}
}

// Name returns the name that requests to the service are signed for.
func (s *Service) Name() string { return s.desc.SigningName }

// Global says whether the service has one endpoint for all regions, which is what requests to it are
// signed for: us-east-1.
func (s *Service) Global() bool { return s.desc.Global }

// Protocol returns the protocol that a request is in, as far as it can be told, else the service's
// usual one.
func (s *Service) Protocol(r *http.Request, body []byte) Protocol { return s.face(r, body).protocol }

// Protocols returns those that the service speaks, the usual one first.
func (s *Service) Protocols() (all []Protocol) {
	for _, f := range s.faces {
		all = append(all, f.protocol)
	}
	return all
}

// face chooses the protocol of a request.
func (s *Service) face(r *http.Request, body []byte) *face {
	for _, f := range s.faces[1:] {
		if f.codec.speaks(r, body) {
			return f
		}
	}
	return s.faces[0]
}

// Decode finds the operation that r asks for and reads its input from r and body. Body is nil where r's own is
// read by the operation (Streams). The error is the caller's, with the code that the service uses for it.
func (s *Service) Decode(r *http.Request, body []byte) (*Call, error) {
	f := s.face(r, body)
	if !s.desc.UnsignedPayload { // where any body may be what it says, its encoding is told to the handler
		var err error
		if body, err = gzipped.Plain(r, body); err != nil {
			return nil, s.malformed(err)
		}
	}
	req, err := f.codec.open(s.desc, r, body)
	if err != nil {
		return nil, s.malformed(err)
	}
	name := req.operation()
	op, ok := f.ops[name]
	if !ok {
		return nil, s.notImplemented(f, name)
	}
	v, err := req.input(op.input)
	if err != nil {
		return nil, s.malformed(err)
	}
	in := op.input.Read(v, op.mask, f.protocol == EC2Query)
	var wrong []error
	if op.ready(&in.Faults) {
		wrong = op.check(in.Value)
	}
	if in.Faults.Any() || len(wrong) > 0 {
		return nil, s.words.Refuse(&in.Faults, op.code, wrong)
	}
	if err := s.feed(op, reflect.ValueOf(in.Value), r, body); err != nil {
		return nil, err
	}
	return &Call{Operation: name, Input: in.Value, Kept: in.Kept, op: op, face: f}, nil
}

// Unsigned says whether r asks for an operation that nobody need sign. What is compressed doesn't: Decode could read another one in it.
func (s *Service) Unsigned(r *http.Request, body []byte) bool {
	op := s.face(r, body).ops[s.OperationName(r, body)]
	return op != nil && op.nobody && r.Header.Get("Content-Encoding") == ""
}

// OperationName returns the name of the operation that r asks for, as far as it can be told: for the
// audit of a request that Decode refuses.
func (s *Service) OperationName(r *http.Request, body []byte) string {
	req, err := s.face(r, body).codec.open(s.desc, r, body)
	if err != nil {
		return ""
	}
	return req.operation()
}

// malformed gives an error of the codec the code for it, unless it has one.
func (s *Service) malformed(err error) error {
	if _, ok := errors.AsType[smithy.APIError](err); ok {
		return err
	}
	return awserr.New(s.words.Malformed, "%v", err)
}

// notImplemented tells an operation that AWS has from one that it does not have.
func (s *Service) notImplemented(f *face, name string) error {
	if name == "" {
		return awserr.New(f.codec.unnamed(), "The request names no operation.")
	}
	if _, described := s.desc.Operations[name]; described || slices.Contains(s.desc.Missing, name) {
		return awserr.New(s.words.NoSuch, "Skylift does not implement %s %s yet.", s.desc.Title, name)
	}
	return awserr.New(s.words.NoSuch, "%s has no operation %s in version %s.", s.desc.Title, name, s.desc.Version)
}

// Encode answers c with out, what Do returned. Nothing is written when it fails, but where the error is ErrCut.
func (s *Service) Encode(w http.ResponseWriter, c *Call, requestID string, out any) error {
	if run, ok := out.(eventRun); ok {
		return s.encodeEvents(w, c, requestID, run)
	}
	v := reflect.ValueOf(out)
	if want := reflect.PointerTo(c.op.out); !v.IsValid() || v.Type() != want {
		return fmt.Errorf("answer %s %s: output is %T, want %s", s.Name(), c.Operation, out, want)
	}
	if v.IsNil() {
		v = reflect.New(c.op.out)
	}
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	if err := c.face.codec.answer(b, s.desc, c.op, requestID, v.Elem()); err != nil {
		return fmt.Errorf("answer %s %s: %w", s.Name(), c.Operation, err)
	}
	status := http.StatusOK
	if b.Len() > 0 {
		w.Header().Set("Content-Type", c.face.codec.contentType())
	}
	if h, ok := c.face.codec.(headed); ok {
		status = h.head(w.Header(), c.op, v.Elem())
	}
	if f := c.op.output.Stream(); f != nil {
		if body, ok := f.Value(v.Elem()); ok {
			if err := copyTo(w, status, requestID, body.Interface().(io.ReadCloser)); err != nil {
				return fmt.Errorf("answer %s %s: %w", s.Name(), c.Operation, err)
			}
			return nil
		}
	}
	send(w, status, requestID, b.Bytes())
	return nil
}

// buffers are those that answers are written into.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largest bounds the memory that an idle buffer holds.
const largest = 1 << 20

func release(b *bytes.Buffer) {
	if b.Cap() <= largest {
		b.Reset()
		buffers.Put(b)
	}
}

// Coverage returns the names of all operations that AWS has for the service, in two sorted halves.
func (s *Service) Coverage() (implemented, missing []string) {
	implemented = slices.Sorted(maps.Keys(s.faces[0].ops))
	missing = slices.Clone(s.desc.Missing)
	for name := range s.desc.Operations {
		if s.faces[0].ops[name] == nil {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return implemented, missing
}

// send writes a whole answer; a caller that has gone is not told.
func send(w http.ResponseWriter, status int, requestID string, body []byte) {
	h := w.Header()
	h.Set("X-Amzn-Requestid", requestID)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
