// Package descriptor holds what the SDK's types do not tell about an AWS service: names on the wire,
// required members, ranges, patterns, enums, error codes.
//
// The JSON files are made by gendescriptors from AWS's published API models, for exactly the
// operations that the packages of internal/service declare, and are never edited.
package descriptor

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:generate go run ../gendescriptors -repo ../../..

//go:embed *.json
var files embed.FS

// Service describes one AWS service.
type Service struct {
	SigningName string   `json:"signingName"`
	Title       string   `json:"title"`            // what AWS calls it: "ECS", "Elastic Load Balancing v2"
	Protocols   []string `json:"protocols"`        // as wire.Protocol spells them, the usual one first
	Global      bool     `json:"global,omitempty"` // one endpoint for all regions
	Prefix      string   `json:"prefix,omitempty"` // of its actions in policies, where it is not the signing name
	Version     string   `json:"version"`
	Target      string   `json:"target,omitempty"`    // prefix of X-Amz-Target
	Namespace   string   `json:"namespace,omitempty"` // of XML requests and answers
	// BareErrors of REST services with XML stand alone, without an element around them.
	BareErrors bool `json:"bareErrors,omitempty"`
	// UnsignedPayload says that a request's signature need not be of its body, or may be in its chunks.
	UnsignedPayload bool `json:"unsignedPayload,omitempty"`
	// QueryCompatible services once spoke awsQuery alone: their errors go by those names, too, in a header.
	QueryCompatible bool                 `json:"queryCompatible,omitempty"`
	Operations      map[string]Operation `json:"operations"`
	Routes          map[string]Route     `json:"routes,omitempty"` // of all operations, where a route is what names one
	Missing         []string             `json:"missing"`          // names of the operations that are not described
	Errors          []Error              `json:"errors"`
	Shapes          map[string]*Shape    `json:"shapes"`
	// Resources are the ARN patterns of resource types, as AWS's service authorization reference has them: the
	// part behind "arn:${Partition}:<service>:${Region}:${Account}:" where the pattern begins so.
	Resources map[string]string `json:"resources,omitempty"`
}

// Pattern returns the whole ARN pattern of a resource type.
func (s *Service) Pattern(kind string) string {
	p := s.Resources[kind]
	if strings.HasPrefix(p, "arn:") {
		return p
	}
	return UsualARN(cmp.Or(s.Prefix, s.SigningName)) + p
}

// UsualARN is what most ARN patterns of a service begin with.
func UsualARN(service string) string { return "arn:${Partition}:" + service + ":${Region}:${Account}:" }

// Operation names the shapes of an operation's input and output; an empty name is an empty structure.
type Operation struct {
	Input   string `json:"in,omitempty"`
	Output  string `json:"out,omitempty"`
	Wrapper string `json:"wrapper,omitempty"` // element around the output in an awsquery answer
	Root    string `json:"root,omitempty"`    // element that an XML answer is, where it is not called as the output is
	// Checksum says that the body is held against the checksums that the request says.
	Checksum bool `json:"checksum,omitempty"`
	Bare     bool `json:"bare,omitempty"` // the output's only member is the whole XML answer

	// What AWS's service authorization reference says of it.
	Action        string `json:"action,omitempty"` // that policies name, where it is not the operation's name
	On            string `json:"on,omitempty"`     // resource types divided by spaces; a required one ends in "!"
	ConditionKeys string `json:"keys,omitempty"`   // divided by spaces
	// TypeKeys are the condition keys that a policy may use only where the resource is of a type, by that type.
	TypeKeys map[string]string `json:"typeKeys,omitempty"`
	Tagging  bool              `json:"tagging,omitempty"` // changing tags is what the action is for
}

// Resource is a resource type that an operation is about.
type Resource struct {
	Type     string
	Required bool
}

// Types returns the resource types that the operation is about. AWS authorizes an operation that has
// none on "*".
func (o Operation) Types() (list []Resource) {
	for word := range strings.FieldsSeq(o.On) {
		kind, required := strings.CutSuffix(word, "!")
		list = append(list, Resource{kind, required})
	}
	return list
}

// Route is the request line that names an operation, and the status of its answer.
type Route struct {
	Method string `json:"method"`
	URI    string `json:"uri"`              // /2015-02-01/file-systems/{FileSystemId}
	Status int    `json:"status,omitempty"` // 0: 200
	// Needs are what tells the operation from others of its route: a header that must be there, or "?" and a parameter.
	Needs []string `json:"needs,omitempty"`
}

// Error is an error that a described operation may return.
type Error struct {
	Shape  string `json:"shape"`
	Code   string `json:"code"`
	Status int    `json:"status"`
}

// Shape is a type of the service. Constraints are there only where an input uses the shape.
type Shape struct {
	Type       string   `json:"type"`
	Members    []Member `json:"members,omitempty"` // structure
	Element    *Ref     `json:"element,omitempty"` // list, and the values of a map
	Key        *Ref     `json:"key,omitempty"`     // map
	Payload    string   `json:"payload,omitempty"` // the member of a structure that is the whole body
	Format     string   `json:"format,omitempty"`  // of a timestamp, where it is not the usual one of its place
	Flattened  bool     `json:"flattened,omitempty"`
	Union      bool     `json:"union,omitempty"`      // a structure of which one member is set
	Events     bool     `json:"events,omitempty"`     // a union of which many follow each other
	Exceptions []string `json:"exceptions,omitempty"` // names of the errors that may end events
	Prefix     string   `json:"prefix,omitempty"`     // of the XML namespace that an attribute of the structure is in
	Namespace  string   `json:"namespace,omitempty"`
	Document   bool     `json:"document,omitempty"`
	Sensitive  bool     `json:"sensitive,omitempty"`
	Min        *float64 `json:"min,omitempty"` // of a number, else of the length
	Max        *float64 `json:"max,omitempty"`
	Pattern    string   `json:"pattern,omitempty"`
	Enum       []string `json:"enum,omitempty"`
}

// ErrorCode is the member that some REST services have their errors' code in.
const ErrorCode = "ErrorCode"

// ErrorNames returns the members of an error in which it has its code, if in any, and its message.
func (s *Shape) ErrorNames() (code, message string) {
	if s == nil {
		return "", ""
	}
	for _, m := range s.Members {
		switch {
		case m.Name == ErrorCode:
			code = m.Name
		case strings.EqualFold(m.Name, "message"):
			message = m.Name
		}
	}
	return code, message
}

// Ref is the use of a shape in a list or map.
type Ref struct {
	Shape string `json:"shape"`
	Name  string `json:"name,omitempty"`  // on the wire, where it is not the protocol's usual
	Query string `json:"query,omitempty"` // in awsquery, where it differs from Name
}

// Member is one member of a structure.
type Member struct {
	Name      string `json:"name"`
	Shape     string `json:"shape"`
	In        string `json:"in,omitempty"`       // where it stands, unless in the body: "uri", "querystring", "header", "headers" (all with a prefix), "statusCode"
	Location  string `json:"location,omitempty"` // name on the wire, where it differs
	Format    string `json:"format,omitempty"`   // of a timestamp, where it differs from its shape's
	Query     string `json:"query,omitempty"`    // name in an ec2query request, or in awsquery, where it differs from Location
	Required  bool   `json:"required,omitempty"`
	Flattened bool   `json:"flattened,omitempty"`
	Streaming bool   `json:"streaming,omitempty"` // the body is read or written as it comes
	Attribute bool   `json:"attribute,omitempty"` // of the XML element that the structure is
}

// Events returns the shape of the events that an output is; "" when it is none.
func (s *Service) Events(output string) string {
	if sh, ok := s.Shapes[output]; ok {
		for _, m := range sh.Members {
			if e, ok := s.Shapes[m.Shape]; ok && e.Events {
				return m.Shape
			}
		}
	}
	return ""
}

// Load reads the descriptor of the service with that signing name.
func Load(signingName string) (*Service, error) {
	b, err := files.ReadFile(signingName + ".json")
	if err != nil {
		return nil, fmt.Errorf("no descriptor of service %q", signingName)
	}
	s := new(Service)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("descriptor of %s: %w", signingName, err)
	}
	return s, nil
}
