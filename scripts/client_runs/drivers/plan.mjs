// The calls that each client makes, and the line in which its driver reports them; plan.py is the same in Python.

const CALLS = {
  whoami: ["whoami", {}],
  estimate: ["estimate", { list_id: "Q3 Prospects" }],
  wrong: ["estimate", { list_id: "A list that nobody made" }],
};

// The command, args and env that the server is started with, or the url and headers of one that runs.
export const server = JSON.parse(process.argv[2]);

// Make the calls and print what came; what a client throws is its caller's answer too.
export async function play(tools, call) {
  const said = { tools };
  for (const [name, [tool, input]] of Object.entries(CALLS)) {
    try {
      said[name] = textOf(await call(tool, input));
    } catch (error) {
      said[name] = `raised ${error.name}: ${error.message}`;
    }
  }
  console.log(JSON.stringify(said));
}

function textOf(answer) {
  if (typeof answer === "string") return answer;
  if (Array.isArray(answer)) return answer.map(textOf).join("\n");
  if (typeof answer?.text === "string") return answer.text;
  return answer?.content ? textOf(answer.content) : JSON.stringify(answer);
}
