package wire

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Service answers for the operations of one AWS service. It is immutable.
type Service struct {
	desc   *descriptor.Service
	codec  codec
	words  dialect
	ops    map[string]*operation
	errors map[string]descriptor.Error // by code
}

// operation is an Operation tied to its descriptor.
type operation struct {
	*spec
	input, output *bind.Type
	mask          *bind.Mask
	wrapper       string
}

// NewService binds operations to the descriptor of the service with that signing name: "ecs", "ecr",
// "ec2", "elasticfilesystem", "elasticloadbalancing", "logs" or "sts". It fails when an operation is unknown to the
// descriptor or a member does not fit the SDK's type.
func NewService(signingName string, ops ...Operation) (*Service, error) {
	desc, err := descriptor.Load(signingName)
	if err != nil {
		return nil, err
	}
	return newService(desc, ops)
}

func newService(desc *descriptor.Service, ops []Operation) (*Service, error) {
	codec, err := codecOf(desc)
	if err != nil {
		return nil, err
	}
	s := &Service{
		desc: desc, codec: codec, words: dialects[desc.SigningName],
		ops: map[string]*operation{}, errors: map[string]descriptor.Error{},
	}
	for _, e := range desc.Errors {
		s.errors[e.Code] = e
	}
	return s, s.bind(ops)
}

func codecOf(desc *descriptor.Service) (codec, error) {
	c, ok := codecs[Protocol(desc.Protocol)]
	if !ok {
		return nil, fmt.Errorf("%s: no codec for protocol %q", desc.SigningName, desc.Protocol)
	}
	if r, ok := c.(routed); ok {
		return r.routed(desc.Routes)
	}
	return c, nil
}

func (s *Service) bind(ops []Operation) error {
	b := bind.New(s.desc)
	var errs []error
	var err error
	for _, op := range ops {
		o := op.spec()
		d, ok := s.desc.Operations[o.name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s has no operation %s in its descriptor", s.Name(), o.name))
			continue
		}
		if s.ops[o.name] != nil {
			errs = append(errs, fmt.Errorf("%s %s is there twice", s.Name(), o.name))
		}
		in, err := b.Bind(d.Input, o.in)
		errs = append(errs, err)
		out, err := b.Bind(d.Output, o.out)
		errs = append(errs, err)
		s.ops[o.name] = &operation{spec: o, input: in, output: out, wrapper: d.Wrapper}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, o := range s.ops {
		o.output = o.output.Answer()
		if o.mask, err = o.spec.mask(o.input); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name(), err))
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
	o := s.ops[operation]
	return Declaration{Kept: append(o.mask.Kept(o.input), o.keys...), Refused: o.mask.Refused(o.input)}
}

// Name returns the name that requests to the service are signed for.
func (s *Service) Name() string { return s.desc.SigningName }

// Protocol returns the protocol that the service speaks.
func (s *Service) Protocol() Protocol { return Protocol(s.desc.Protocol) }

// Decode finds the operation that r asks for and reads its input from r and body. The error is the
// caller's, with the code that the service uses for it.
func (s *Service) Decode(r *http.Request, body []byte) (*Call, error) {
	req, err := s.codec.open(s.desc, r, body)
	if err != nil {
		return nil, s.malformed(err)
	}
	name := req.operation()
	op, ok := s.ops[name]
	if !ok {
		return nil, s.notImplemented(name)
	}
	v, err := req.input(op.input)
	if err != nil {
		return nil, s.malformed(err)
	}
	in := op.input.Read(v, op.mask, s.Protocol() == EC2Query)
	var wrong []error
	if op.check != nil && in.Faults.Whole() {
		wrong = op.check(in.Value)
	}
	if in.Faults.Any() || len(wrong) > 0 {
		return nil, s.words.refuse(&in.Faults, op.code, wrong)
	}
	return &Call{Operation: name, Input: in.Value, Kept: in.Kept, op: op}, nil
}

// OperationName returns the name of the operation that r asks for, as far as it can be told: for the
// audit of a request that Decode refuses.
func (s *Service) OperationName(r *http.Request, body []byte) string {
	req, err := s.codec.open(s.desc, r, body)
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
	return awserr.New(s.words.malformed, "%v", err)
}

// notImplemented tells an operation that AWS has from one that it does not have.
func (s *Service) notImplemented(name string) error {
	if name == "" {
		return awserr.New(s.codec.unnamed(), "The request names no operation.")
	}
	if _, described := s.desc.Operations[name]; described || slices.Contains(s.desc.Missing, name) {
		return awserr.New(s.words.noSuch, "Skylift does not implement %s %s yet.", s.desc.Title, name)
	}
	return awserr.New(s.words.noSuch, "%s has no operation %s in version %s.", s.desc.Title, name, s.desc.Version)
}

// Encode answers c with out, what Do returned. Nothing is written when it fails.
func (s *Service) Encode(w http.ResponseWriter, c *Call, requestID string, out any) error {
	v := reflect.ValueOf(out)
	if want := reflect.PointerTo(c.op.out); !v.IsValid() || v.Type() != want {
		return fmt.Errorf("answer %s %s: output is %T, want %s", s.Name(), c.Operation, out, want)
	}
	if v.IsNil() {
		v = reflect.New(c.op.out)
	}
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	if err := s.codec.answer(b, s.desc, c.op, requestID, v.Elem()); err != nil {
		return fmt.Errorf("answer %s %s: %w", s.Name(), c.Operation, err)
	}
	status := http.StatusOK
	w.Header().Set("Content-Type", s.codec.contentType())
	if h, ok := s.codec.(headed); ok {
		status = h.head(w.Header(), c.op, v.Elem())
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
	implemented = slices.Sorted(maps.Keys(s.ops))
	missing = slices.Clone(s.desc.Missing)
	for name := range s.desc.Operations {
		if s.ops[name] == nil {
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
	if len(body) == 0 {
		h.Del("Content-Type")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
