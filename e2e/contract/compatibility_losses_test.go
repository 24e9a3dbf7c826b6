package contract_test

import (
	"strings"
	"testing"
)

// small has one of each thing that can be taken away.
const small = `{
	"paths": {
		"/cups/{id}": {
			"get": {"operationId": "getCup", "security": [{"cookie": []}, {"bearer": []}],
				"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}, {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 500}}],
				"responses": {
					"200": {"headers": {"ETag": {"required": true}}, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Cup"}}, "text/plain": {"schema": {}}}},
					"404": {"$ref": "#/components/responses/404"}}},
			"put": {"operationId": "putCup", "security": [],
				"requestBody": {"x-max-bytes": 1024, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CupInput"}}}},
				"responses": {"204": {}}}},
		"/cups": {"get": {"operationId": "getCups", "security": [{}, {"bearer": []}], "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Cup"}}}}}}}}},
	"components": {
		"responses": {"404": {"content": {"application/problem+json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"code": {"enum": ["gone", "not_found"]}}}]}}}}},
		"schemas": {
			"Problem": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}},
			"Cup": {"type": "object", "required": ["id", "size"], "properties": {"id": {"type": "string", "format": "uuid"}, "size": {"type": "integer"}, "owner": {"anyOf": [{"$ref": "#/components/schemas/Owner"}, {"type": "null"}]}}},
			"Owner": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
			"CupInput": {"type": "object", "additionalProperties": false, "required": ["size"], "properties": {"size": {"type": ["integer", "null"], "minimum": 1}, "kind": {"type": "string", "enum": ["mug", "glass"], "maxLength": 9}, "note": {"type": "string"}}}}}}`

func TestLosses_EachKindIsRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ from, to, loss string }{
		"path":                   {`"/cups": {"get"`, `"/mugs": {"get"`, "GET /cups is gone"},
		"operation":              {`"put": {"oper`, `"post": {"oper`, "PUT /cups/{id} is gone"},
		"operation's name":       {`"getCup"`, `"readCup"`, "no longer called getCup"},
		"way in":                 {`{"cookie": []}, `, ``, `can no longer be called with {"cookie":[]}`},
		"public":                 {`"security": []`, `"security": [{"bearer": []}]`, "can no longer be called with {}"},
		"recognised":             {`[{}, {"bearer": []}]`, `[{"bearer": []}]`, "can no longer be called with {}"},
		"parameter":              {`"limit"`, `"most"`, "query parameter limit is gone"},
		"parameter's type":       {`"integer", "maximum"`, `"boolean", "maximum"`, "limit is boolean"},
		"parameter's limit":      {`"maximum": 500`, `"maximum": 100`, "limit has maximum 100, had 500"},
		"parameter demanded":     {`"in": "query",`, `"in": "query", "required": true,`, "now demands the parameter limit"},
		"header":                 {`"ETag"`, `"Etag2"`, "lacks the header ETag"},
		"header's promise":       {`{"ETag": {"required": true}}`, `{"ETag": {}}`, "does not promise the header ETag"},
		"status":                 {`"204"`, `"200"`, "PUT /cups/{id} 204 is gone"},
		"media type":             {`, "text/plain": {"schema": {}}`, ``, "text/plain is gone"},
		"code":                   {`"gone", `, ``, "code is never gone"},
		"field":                  {`"id": {"type": "string", "format": "uuid"}, `, ``, "lacks id"},
		"field renamed":          {`"name": {"type"`, `"title": {"type"`, "/owner lacks name"},
		"field's promise":        {`["id", "size"]`, `["id"]`, "does not promise size"},
		"field's type":           {`"size": {"type": "integer"}`, `"size": {"type": "string"}`, "size is string, was integer"},
		"field may be null":      {`"size": {"type": "integer"}`, `"size": {"type": ["integer", "null"]}`, "size is [integer null]"},
		"field may be any":       {`"size": {"type": "integer"}`, `"size": {}`, "size is <nil>"},
		"format":                 {`"format": "uuid"`, `"format": "uri"`, "has format uri"},
		"list":                   {`{"type": "array", "items": {"$ref": "#/components/schemas/Cup"}}`, `{"$ref": "#/components/schemas/Cup"}`, "is object, was array"},
		"list's items":           {`"items": {"$ref": "#/components/schemas/Cup"}`, `"items": {"$ref": "#/components/schemas/Owner"}`, "/items lacks id"},
		"request demanded":       {`{"x-max-bytes"`, `{"required": true, "x-max-bytes"`, "now demands a body"},
		"request's length":       {`1024`, `512`, "has x-max-bytes 512, had 1024"},
		"request's media type":   {`{"application/json": {"schema": {"$ref": "#/components/schemas/CupInput"}}}`, `{"text/plain": {}}`, "request application/json is gone"},
		"request's field":        {`, "note": {"type": "string"}`, ``, "lacks note"},
		"request's new demand":   {`"required": ["size"]`, `"required": ["size", "note"]`, "now demands note"},
		"request's new member":   {`"required": ["size"], "properties": {`, `"required": ["size", "hue"], "properties": {"hue": {"type": "string"}, `, "now demands hue"},
		"request's type":         {`["integer", "null"]`, `"integer"`, "size is integer"},
		"request's enum":         {`["mug", "glass"]`, `["mug"]`, "is never glass"},
		"request's new enum":     {`"note": {"type": "string"`, `"note": {"type": "string", "enum": ["a"]`, "has an enum now"},
		"request's limit":        {`"minimum": 1`, `"minimum": 2`, "has minimum 2, had 1"},
		"request's length limit": {`"maxLength": 9`, `"maxLength": 8`, "has maxLength 8, had 9"},
		"request's new limit":    {`"note": {"type": "string"`, `"note": {"type": "string", "maxLength": 8`, "has maxLength 8, had <nil>"},
		"request's new format":   {`"note": {"type": "string"`, `"note": {"type": "string", "format": "uuid"`, "has format uuid"},
		"request's new pattern":  {`"note": {"type": "string"`, `"note": {"type": "string", "pattern": "a"`, "has the pattern a now"},
	} {
		if strings.Count(small, row.from) != 1 {
			t.Errorf("%s: %s is there %d times", name, row.from, strings.Count(small, row.from))
		}
		was, now := parseDocument(t, []byte(small)), parseDocument(t, []byte(strings.Replace(small, row.from, row.to, 1)))
		if lost := strings.Join(losses(was, now), "\n"); !strings.Contains(lost, row.loss) {
			t.Errorf("%s: the comparison said %q, want %q", name, lost, row.loss)
		}
	}
}

func TestLosses_GrowingIsAllowed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ from, to string }{
		"nothing":            {`"paths"`, `"paths"`},
		"operation":          {`"/cups": {`, `"/cups": {"post": {"operationId": "postCups"}, `},
		"way in":             {`[{"cookie": []}, {"bearer": []}]`, `[{"cookie": []}, {"bearer": []}, {"mutual": []}]`},
		"no way needed":      {`[{"cookie": []}, {"bearer": []}]`, `[]`},
		"parameter":          {`"parameters": [`, `"parameters": [{"name": "sort", "in": "query", "schema": {"type": "string"}}, `},
		"status":             {`"204": {}`, `"200": {}, "204": {}`},
		"code":               {`"gone", `, `"gone", "hidden", `},
		"field":              {`"size": {"type": "integer"}`, `"size": {"type": "integer"}, "hue": {"type": "string"}`},
		"field's promise":    {`"required": ["id", "size"]`, `"required": ["id", "owner", "size"]`},
		"field is not null":  {`{"anyOf": [{"$ref": "#/components/schemas/Owner"}, {"type": "null"}]}`, `{"$ref": "#/components/schemas/Owner"}`},
		"request's member":   {`"note": {"type": "string"}`, `"note": {"type": "string"}, "hue": {"type": "string"}`},
		"request's null":     {`"note": {"type": "string"}`, `"note": {"type": ["string", "null"]}`},
		"request's enum":     {`["mug", "glass"]`, `["mug", "glass", "bowl"]`},
		"request's limit":    {`"minimum": 1`, `"minimum": 0`},
		"request's length":   {`1024`, `2048`},
		"request's lenience": {`"required": ["size"], `, ``},
	} {
		if strings.Count(small, row.from) != 1 {
			t.Errorf("%s: %s is there %d times", name, row.from, strings.Count(small, row.from))
		}
		was, now := parseDocument(t, []byte(small)), parseDocument(t, []byte(strings.Replace(small, row.from, row.to, 1)))
		if lost := losses(was, now); len(lost) > 0 {
			t.Errorf("%s: the comparison said %q", name, lost)
		}
	}
}
