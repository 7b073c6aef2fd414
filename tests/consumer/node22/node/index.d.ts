// Copyright 2026 the Hangup authors. MIT license.
//
// The types of Node 22 under the name `node`, which those of undici ask for, too.
/// <reference types="types-node22" />
