// Questions to the server, and what is said when there is no answer.
import { say } from '../words';

/** Signed out, or no reason given. */
export class Refused extends Error {}
/** The server's own words for what it does not do. */
export class Answered extends Error {}

export async function ask(path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST'): Promise<Response> {
  const answer = await fetch(path, body === undefined ? { method } : { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (answer.status === 401 || answer.status === 403) throw new Refused(String(answer.status));
  if (answer.status >= 400 && answer.status < 500) {
    const told = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string };
    throw new Answered([told.title, told.detail].filter(Boolean).join(' ') || String(answer.status));
  }
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

export function words(e: unknown): string {
  return e instanceof Answered ? e.message : say(e instanceof Refused ? 'refused' : 'offline');
}

/** Does something, and shows in words what went wrong; what was wrong before is forgotten. */
export async function guarded<T>(work: () => Promise<T>, problem: (text: string) => void): Promise<T | undefined> {
  try {
    const done = await work();
    problem('');
    return done;
  } catch (e) {
    problem(words(e));
    return undefined;
  }
}
