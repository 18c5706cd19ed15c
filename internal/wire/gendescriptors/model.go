package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// model is the part of service-2.json that matters here.
type model struct {
	Metadata struct {
		APIVersion      string    `json:"apiVersion"`
		EndpointPrefix  string    `json:"endpointPrefix"`
		SigningName     string    `json:"signingName"`
		Protocol        string    `json:"protocol"`
		Protocols       []string  `json:"protocols"`
		GlobalEndpoint  string    `json:"globalEndpoint"`
		QueryCompatible *struct{} `json:"awsQueryCompatible"`
		JSONVersion     string    `json:"jsonVersion"`
		ServiceID       string    `json:"serviceId"`
		TargetPrefix    string    `json:"targetPrefix"`
		XMLNamespace    string    `json:"xmlNamespace"`
	} `json:"metadata"`
	Operations map[string]modelOperation `json:"operations"`
	Shapes     map[string]modelShape     `json:"shapes"`
}

type modelOperation struct {
	Name       string     `json:"name"`
	HTTP       modelHTTP  `json:"http"`
	Input      modelRef   `json:"input"`
	Output     modelRef   `json:"output"`
	Errors     []modelRef `json:"errors"`
	Deprecated bool       `json:"deprecated"`
	Checksum   struct {
		Algorithm string `json:"requestAlgorithmMember"`
	} `json:"httpChecksum"`
}

type modelHTTP struct {
	Method string `json:"method"`
	URI    string `json:"requestUri"`
	Status int    `json:"responseCode"`
}

// line is the request line.
func (h modelHTTP) line() modelHTTP { return modelHTTP{Method: h.Method, URI: h.URI} }

type modelRef struct {
	Shape           string `json:"shape"`
	Location        string `json:"location"`
	LocationName    string `json:"locationName"`
	QueryName       string `json:"queryName"`
	ResultWrapper   string `json:"resultWrapper"`
	TimestampFormat string `json:"timestampFormat"`
	Flattened       bool   `json:"flattened"`
	JSONValue       bool   `json:"jsonvalue"`
	XMLAttribute    bool   `json:"xmlAttribute"`
	Streaming       bool   `json:"streaming"`
	EventPayload    bool   `json:"eventpayload"`
	EventHeader     bool   `json:"eventheader"`

	XMLNamespace modelNamespace `json:"xmlNamespace"`
}

type modelNamespace struct {
	Prefix string `json:"prefix"`
	URI    string `json:"uri"`
}

type modelShape struct {
	Type      string              `json:"type"`
	Members   map[string]modelRef `json:"members"`
	Required  []string            `json:"required"`
	Member    *modelRef           `json:"member"`
	Key       *modelRef           `json:"key"`
	Value     *modelRef           `json:"value"`
	Payload   string              `json:"payload"` // the member that is the whole body
	Format    string              `json:"timestampFormat"`
	Flattened bool                `json:"flattened"`
	Document  bool                `json:"document"`
	Sensitive bool                `json:"sensitive"`
	Min       *float64            `json:"min"`
	Max       *float64            `json:"max"`
	Pattern   string              `json:"pattern"`
	Enum      []string            `json:"enum"`
	Fault     bool                `json:"fault"`
	Union     bool                `json:"union"`
	Events    bool                `json:"eventstream"`
	Exception bool                `json:"exception"`
	Namespace modelNamespace      `json:"xmlNamespace"`
	Error     struct {
		Code   string `json:"code"`
		Status int    `json:"httpStatusCode"`
	} `json:"error"`
}

func readModel(models, name string) (*model, error) {
	b, err := os.ReadFile(filepath.Join(models, name, "service-2.json"))
	if err != nil {
		return nil, err
	}
	m := new(model)
	return m, json.Unmarshal(b, m)
}
