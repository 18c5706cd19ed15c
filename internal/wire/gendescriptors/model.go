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
	Operations map[string]struct {
		HTTP   modelHTTP  `json:"http"`
		Input  modelRef   `json:"input"`
		Output modelRef   `json:"output"`
		Errors []modelRef `json:"errors"`
	} `json:"operations"`
	Shapes map[string]modelShape `json:"shapes"`
}

type modelHTTP struct {
	Method string `json:"method"`
	URI    string `json:"requestUri"`
	Status int    `json:"responseCode"`
}

type modelRef struct {
	Shape           string `json:"shape"`
	Location        string `json:"location"`
	LocationName    string `json:"locationName"`
	QueryName       string `json:"queryName"`
	ResultWrapper   string `json:"resultWrapper"`
	TimestampFormat string `json:"timestampFormat"`
	Flattened       bool   `json:"flattened"`
	JSONValue       bool   `json:"jsonvalue"`
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
